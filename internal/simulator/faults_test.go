package simulator

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func (r *rig) setFaults(faults ...Fault) {
	r.t.Helper()
	if err := r.SetFaults(faults); err != nil {
		r.t.Fatal(err)
	}
}

// pattern makes n calls and draws each as "." for success or "x" for an error.
func (r *rig) pattern(n int, d *draft) string {
	r.t.Helper()
	var drawn strings.Builder
	for range n {
		if strings.Contains(r.body(d), "error_response") {
			drawn.WriteByte('x')
		} else {
			drawn.WriteByte('.')
		}
	}
	return drawn.String()
}

func TestNthEveryTimes(t *testing.T) {
	cases := []struct {
		name  string
		match Match
		times int
		want  string
	}{
		{"all", Match{}, 0, "xxxxxxxx"},
		{"twice", Match{}, 2, "xx......"},
		{"third", Match{Nth: 3}, 0, "..x....."},
		{"third and one more", Match{Nth: 3}, 2, "..xx...."},
		{"every third", Match{Every: 3}, 0, "..x..x.."},
		{"every third, once", Match{Every: 3}, 1, "..x....."},
		{"every second from the third on", Match{Nth: 3, Every: 2}, 0, "..x.x.x."},
		{"every one", Match{Every: 1}, 0, "xxxxxxxx"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.setFaults(Fault{Match: test.match, Times: test.times, Action: Action{Code: 15, SubCode: "isp.remote-service-error"}})
			if got := r.pattern(8, update(nil)); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			if hits := r.Faults()[0].Hits; hits != strings.Count(test.want, "x") {
				t.Errorf("%d hits for %s", hits, test.want)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	calls := map[string]*draft{
		"update":     update(nil),
		"update 2":   update(map[string]string{"logistics_order_id": "2"}),
		"other app":  update(map[string]string{"app_key": "2"}),
		"create":     create(nil),
		"invalid":    update(map[string]string{"status_code": "sent"}),
		"issue":      issue(issueBody),
		"no method":  update(map[string]string{"method": "-"}),
		"sync order": syncOrder(nil),
	}
	cases := []struct {
		match Match
		hit   string
	}{
		{Match{}, "create invalid issue no method other app sync order update update 2"},
		{Match{Method: methodUpdate}, "invalid other app update update 2"},
		{Match{Key: "222233333"}, "invalid other app update"},
		{Match{Key: "2"}, "update 2"},
		{Match{AppKey: "2"}, "other app"},
		{Match{Method: methodUpdate, AppKey: testKey, Key: "2"}, "update 2"},
		{Match{Key: "2:JD8:test1234"}, "create"},
		{Match{Key: "test1234"}, "create"},
		{Match{Key: "LW1"}, "issue"},
		{Match{Key: "P1"}, "sync order"},
		{Match{Key: "nobody"}, ""},
	}
	for _, test := range cases {
		r := newRig(t, func(o *Options) { o.Apps["2"] = o.Apps[testKey] })
		var hit []string
		for _, name := range sortedNames(calls) {
			r.setFaults(Fault{Match: test.match, Action: Action{Status: 503}})
			if response, _ := r.send(calls[name]); response.StatusCode == 503 {
				hit = append(hit, name)
			}
		}
		if got := strings.Join(hit, " "); got != test.hit {
			t.Errorf("%+v hit %q, want %q", test.match, got, test.hit)
		}
	}
}

// Where a fault acts: in front of all checks, at the limits, or at the back end.
func TestPlaces(t *testing.T) {
	badSign := update(map[string]string{"sign": "X"})
	noSession := update(map[string]string{"session": "-"})
	for _, test := range []struct {
		name   string
		action Action
		draft  *draft
		want   string
	}{
		{"status before the sign", Action{Status: 502, Body: "<html>"}, badSign, "<html>"},
		{"code after the sign", Action{Code: 10}, badSign, `"code":25`},
		{"code before the session", Action{Code: 10}, noSession, `"code":10,"msg":"Service Currently Unavailable"`},
		{"ban after the sign", Action{BanSeconds: 5}, badSign, `"code":25`},
		{"ban before the session", Action{BanSeconds: 5}, noSession, `"code":7`},
		{"business after all", Action{Business: map[string]any{"success": false}}, noSession, `"code":26`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.setFaults(Fault{Action: test.action})
			if _, body := r.send(test.draft); !strings.Contains(body, test.want) {
				t.Errorf("%s, want %s", body, test.want)
			}
		})
	}
}

func TestFirstFaultOfAPlaceWins(t *testing.T) {
	r := newRig(t, nil)
	r.setFaults(
		Fault{Times: 1, Action: Action{Code: 15, SubCode: "isp.first"}},
		Fault{Match: Match{Nth: 2}, Action: Action{Code: 15, SubCode: "isp.second"}},
		Fault{Times: 1, Action: Action{Code: 15, SubCode: "isp.third"}},
	)
	for _, want := range []string{"isp.first", "isp.second", "isp.third", `"success":true`} {
		if _, body := r.send(update(nil)); !strings.Contains(body, want) {
			t.Errorf("%s, want %s", body, want)
		}
	}
}

func TestPlatformErrorOfAFault(t *testing.T) {
	r := newRig(t, nil)
	for _, test := range []struct {
		action Action
		want   string
	}{
		{Action{Code: 15, SubCode: "isv.x", Msg: "m", SubMsg: "业务/错误"}, `{"error_response":{"code":15,"msg":"m","sub_code":"isv.x","sub_msg":"业务\/错误","request_id":"ID"}}`},
		{Action{Code: 27, SubCode: "invalid-sessionkey"}, `{"error_response":{"code":27,"msg":"Invalid Session","sub_code":"invalid-sessionkey","request_id":"ID"}}`},
		{Action{Code: 560}, `{"error_response":{"code":560,"msg":"Remote service error","request_id":"ID"}}`},
	} {
		r.setFaults(Fault{Action: test.action})
		if got := r.body(update(nil)); got != test.want {
			t.Errorf("%s\nwant %s", got, test.want)
		}
		if r.lastCall().Accepted {
			t.Error("a refused call is accepted")
		}
	}
}

func TestStatusFault(t *testing.T) {
	for _, test := range []struct {
		action   Action
		kind     string
		location bool
	}{
		{Action{Status: 503}, "text/html;charset=UTF-8", false},
		{Action{Status: 400, Body: `{"error_response":{"code":27}}`}, "text/javascript;charset=UTF-8", false},
		{Action{Status: 302}, "text/html;charset=UTF-8", true},
		{Action{Status: 200, Body: "ok"}, "text/html;charset=UTF-8", false},
	} {
		r := newRig(t, nil)
		r.setFaults(Fault{Action: test.action})
		response, body := r.send(create(nil))
		if response.StatusCode != test.action.Status || body != test.action.Body || response.Header.Get("Content-Type") != test.kind {
			t.Errorf("%+v: %d %q %q", test.action, response.StatusCode, body, response.Header.Get("Content-Type"))
		}
		if (response.Header.Get("Location") != "") != test.location {
			t.Errorf("%+v: Location %q", test.action, response.Header.Get("Location"))
		}
		if r.lastCall().Accepted {
			t.Error("accepted behind a status fault")
		}
	}
}

func TestBusinessFault(t *testing.T) {
	for _, test := range []struct {
		name     string
		business map[string]any
		want     string
		accepted bool
	}{
		{"failure", map[string]any{"is_success": false, "display_msg": "系统错误"},
			`"is_success":false,"display_msg":"系统错误","request_id"`, false},
		{"success with another field", map[string]any{"display_msg": "ok"},
			`"is_success":true,"service_order_id":9007199254740993,"workcard_ids":{"number":[9107199254740993,9107199254740995]},"display_msg":"ok"`, true},
		{"another value", map[string]any{"service_order_id": 7, "workcard_ids": []any{}},
			`"is_success":true,"service_order_id":7,"workcard_ids":{"string":[]},"request_id"`, true},
		{"removed field", map[string]any{"workcard_ids": nil}, `"is_success":true,"service_order_id":9007199254740993,"request_id"`, true},
		{"no success field", map[string]any{"is_success": nil}, `_response":{"request_id"`, false},
		{"success as text", map[string]any{"is_success": "true"}, `"is_success":"true","request_id"`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, nil)
			r.setFaults(Fault{Times: 1, Action: Action{Business: test.business}})
			if body := r.body(create(nil)); !strings.Contains(body, test.want) {
				t.Errorf("%s, want %s", body, test.want)
			}
			if r.lastCall().Accepted != test.accepted {
				t.Errorf("accepted %v", r.lastCall().Accepted)
			}
			// Without the fault the order is as it was made, or is made only now.
			if body := r.body(create(nil)); !strings.Contains(body, `"service_order_id":9007199254740993,"workcard_ids":{"number":[9107199254740993,9107199254740995]},"request_id"`) {
				t.Errorf("afterwards: %s", body)
			}
			if r.lastCall().Repeat != test.accepted {
				t.Errorf("repeat %v", r.lastCall().Repeat)
			}
		})
	}
}

func TestBanCountsDownAndEnds(t *testing.T) {
	r := newRig(t, nil)
	r.setFaults(Fault{Match: Match{Nth: 2}, Action: Action{BanSeconds: 30, Scope: ScopeAPI}})
	wantBan := func(seconds int) {
		t.Helper()
		body := r.body(update(nil))
		wantCode(t, body, 7, "accesscontrol.limited-by-api-access-count")
		if text := `"sub_msg":"This ban will last for ` + strconv.Itoa(seconds) + ` more seconds"`; !strings.Contains(body, text) {
			t.Errorf("%s, want %s", body, text)
		}
	}
	if got := r.pattern(1, update(nil)); got != "." {
		t.Fatal("banned before the second call")
	}
	wantBan(30)
	r.now = r.now.Add(500 * time.Millisecond)
	wantBan(30)
	r.now = r.now.Add(20 * time.Second)
	wantBan(10)
	r.now = r.now.Add(9400 * time.Millisecond)
	wantBan(1)
	r.now = r.now.Add(100 * time.Millisecond)
	if got := r.pattern(3, update(nil)); got != "..." {
		t.Errorf("after the end: %s", got)
	}
	if hits := r.Faults()[0].Hits; hits != 4 {
		t.Errorf("%d hits, want 4", hits)
	}
}

func TestBanScopes(t *testing.T) {
	calls := []struct {
		name  string
		draft *draft
	}{
		{"own", update(nil)},
		{"method of another app", update(map[string]string{"app_key": "2"})},
		{"another method", syncOrder(nil)},
		{"another method of another app", syncOrder(map[string]string{"app_key": "2"})},
	}
	for _, test := range []struct {
		scope   Scope
		want    string
		subCode string
	}{
		{ScopeAPI, "xx..", "accesscontrol.limited-by-api-access-count"},
		{ScopeApp, "x.x.", "accesscontrol.limited-by-app-access-count"},
		{ScopeAppAPI, "x...", "accesscontrol.limited-by-app-api-access-count"},
		{"", "x...", "accesscontrol.limited-by-app-api-access-count"},
	} {
		r := newRig(t, func(o *Options) { o.Apps["2"] = o.Apps[testKey] })
		r.setFaults(Fault{Match: Match{Method: methodUpdate, AppKey: testKey}, Action: Action{BanSeconds: 60, Scope: test.scope}})
		wantCode(t, r.body(update(nil)), 7, test.subCode)
		drawn := ""
		for _, call := range calls {
			drawn += r.pattern(1, call.draft)
		}
		if drawn != test.want {
			t.Errorf("scope %q: %s, want %s", test.scope, drawn, test.want)
		}
	}
}

func TestBansBegunAgain(t *testing.T) {
	r := newRig(t, nil)
	r.setFaults(Fault{Times: 2, Action: Action{BanSeconds: 10}})
	drawn := ""
	for range 6 {
		drawn += r.pattern(1, update(nil))
		r.now = r.now.Add(5 * time.Second)
	}
	if drawn != "xxxx.." {
		t.Errorf("%s, want two bans of two calls", drawn)
	}
	r.setFaults(Fault{Action: Action{BanSeconds: 60}})
	r.pattern(1, update(nil))
	r.setFaults()
	if got := r.pattern(1, update(nil)); got != "." {
		t.Error("a ban outlives its fault")
	}
}

func TestPerSecond(t *testing.T) {
	r := newRig(t, func(o *Options) { o.PerSecond = 2; o.Apps["2"] = o.Apps[testKey] })
	if got := r.pattern(4, update(nil)); got != "..xx" {
		t.Errorf("%s", got)
	}
	body := r.body(update(nil))
	wantCode(t, body, 7, "accesscontrol.limited-by-app-api-access-count")
	if !strings.Contains(body, "This ban will last for 1 more seconds") {
		t.Error(body)
	}
	if got := r.pattern(1, syncOrder(nil)) + r.pattern(1, update(map[string]string{"app_key": "2"})); got != ".." {
		t.Errorf("another method and another app: %s", got)
	}
	r.now = r.now.Add(time.Second)
	if got := r.pattern(3, update(nil)); got != "..x" {
		t.Errorf("a second later: %s", got)
	}
}

func TestPerDay(t *testing.T) {
	r := newRig(t, func(o *Options) { o.PerDay = 2 })
	if got := r.pattern(1, update(nil)) + r.pattern(1, syncOrder(nil)) + r.pattern(1, ovs(nil)); got != "..x" {
		t.Errorf("%s", got)
	}
	r.now = time.Date(2026, 3, 1, 23, 59, 29, 500_000_000, gmt8)
	body := r.body(update(map[string]string{"timestamp": "2026-03-01 23:59:29"}))
	wantCode(t, body, 7, "accesscontrol.limited-by-app-access-count")
	if !strings.Contains(body, "This ban will last for 31 more seconds") {
		t.Errorf("%s, want the seconds until 24:00 GMT+8", body)
	}
	r.now = time.Date(2026, 3, 2, 0, 0, 0, 0, gmt8)
	if got := r.pattern(3, update(map[string]string{"timestamp": "2026-03-02 00:00:00"})); got != "..x" {
		t.Errorf("the next day: %s", got)
	}
}

func TestEffects(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Apps["2"] = o.Apps[testKey] })
	first := r.body(create(nil))
	if r.lastCall().Repeat {
		t.Error("the first order is a repeat")
	}
	if second := r.body(create(nil)); second != first || !r.lastCall().Repeat || !r.lastCall().Accepted {
		t.Errorf("the same order: %s, then %s", first, second)
	}
	for name, other := range map[string]*draft{
		"source": create(map[string]string{"source": "TM"}), "out_order_id": create(map[string]string{"out_order_id": "t2"}),
		"app key": create(map[string]string{"app_key": "2"}),
	} {
		if body := r.body(other); body == first || r.lastCall().Repeat {
			t.Errorf("another %s: %s", name, body)
		}
	}
	if body := r.body(create(map[string]string{"out_order_id": "many", "service_count": "1000"})); strings.Count(body, "91071992547") != maxWorkcards {
		t.Errorf("%s, want %d work cards", body, maxWorkcards)
	}
	r.body(syncOrder(nil))
	if r.lastCall().Repeat {
		t.Error("the first idempotent id is a repeat")
	}
	r.body(syncOrder(nil))
	if !r.lastCall().Repeat || !r.lastCall().Accepted {
		t.Error("the second idempotent id is no repeat")
	}
	r.Reset()
	r.body(syncOrder(nil))
	if r.lastCall().Repeat {
		t.Error("an idempotent id outlives a reset")
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	var m memory[int]
	for i := range maxRemembered + 2 {
		m.put(strconv.Itoa(i), i)
	}
	if len(m.values) != maxRemembered {
		t.Errorf("%d remembered", len(m.values))
	}
	for id, want := range map[string]bool{"0": false, "1": false, "2": true, strconv.Itoa(maxRemembered + 1): true} {
		if _, known := m.get(id); known != want {
			t.Errorf("%s known %v", id, known)
		}
	}
}
