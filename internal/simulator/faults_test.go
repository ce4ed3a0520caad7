package simulator

import (
	"net/http"
	"strings"
	"testing"
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
			if response, _ := r.send(calls[name]); response.StatusCode == http.StatusServiceUnavailable {
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
