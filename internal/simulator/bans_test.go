package simulator

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

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
