package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/simulator"
)

// The second account of the tests that need two.
const (
	otherKey     = "23456789"
	otherSecret  = "another-secret-not-real"
	otherSession = "another-session-not-real"
	otherAccount = "shop-b"
)

// twoAccounts is a relay whose worker has two accounts of two app keys.
func twoAccounts(t *testing.T) *relay {
	t.Helper()
	r := newRelay(t, setup{apps: map[string]simulator.App{
		appKey: {Secret: secret, Sessions: []string{session}}, otherKey: {Secret: otherSecret, Sessions: []string{otherSession}},
	}})
	r.file("other-secret", otherSecret)
	r.file("other-session", otherSession)
	r.configure("top.accounts."+otherAccount+".app_key="+otherKey, "top.accounts."+otherAccount+".app_secret_file=other-secret", "top.accounts."+otherAccount+".session_file=other-session")
	return r
}

// TestBan: a ban pauses exactly its scope for its seconds and costs no attempt; all else flows.
func TestBan(t *testing.T) {
	t.Parallel()
	const seconds = 2
	type place struct {
		kind    *kind
		account string
	}
	places := []place{{logistics, "default"}, {logistics, otherAccount}, {delivery, "default"}, {delivery, otherAccount}}
	for scope, banned := range map[simulator.Scope][]place{
		simulator.ScopeAppAPI: places[:1],
		simulator.ScopeAPI:    places[:2],
		simulator.ScopeApp:    {places[0], places[2]},
	} {
		t.Run(string(scope), func(t *testing.T) {
			t.Parallel()
			r := twoAccounts(t)
			r.gateway.faults(simulator.Fault{
				Match: simulator.Match{Method: logistics.method, AppKey: appKey}, Action: simulator.Action{BanSeconds: seconds, Scope: scope},
			})
			r.sampleCommits()
			first := logistics.event(1)
			r.publish(first)
			r.start()
			r.awaitLog(`"msg":"paused"`, 1)
			paused := entries(r.log.String(), "paused")[0]
			labels := map[simulator.Scope][3]string{
				simulator.ScopeAppAPI: {"app_key_method", "default", logistics.method},
				simulator.ScopeAPI:    {"method", "", logistics.method},
				simulator.ScopeApp:    {"app_key", "default", ""},
			}[scope]
			series := fmt.Sprintf(`{account=%q,method=%q,reason="throttled",scope=%q}`, labels[1], labels[2], labels[0])
			r.metricNow(map[string]float64{"pause_active" + series: 1})
			if r.metrics["ban_ends_timestamp_seconds"+series] < float64(time.Now().Unix()) {
				t.Errorf("ban_ends_timestamp_seconds is %v, which is past", r.metrics["ban_ends_timestamp_seconds"+series])
			}
			if paused.text("reason") != "throttled" || paused.text("scope") != labels[0] {
				t.Errorf("the log says that %s is paused for %s", paused.text("scope"), paused.text("reason"))
			}
			held := map[place]bool{}
			for _, p := range banned {
				held[p] = true
			}
			free := 0
			for n := range 3 {
				for _, p := range places {
					e := p.kind.event(1 + n%2)
					if p.account != "default" {
						e.by(p.account)
					}
					r.publish(e)
					if !held[p] {
						free++
					}
				}
			}
			r.await(free)
			if what := r.missing(); what != "" {
				t.Errorf("a ban makes the worker not ready: %s", what)
			}
			r.await(13 - free)
			r.stop()
			fates := r.audit(claims{})
			r.expect(fates, map[string]int{"logistics delivered": 7, "delivery delivered": 6})
			ban := of(r.gateway.log(), byMark(first.mark))[0]
			for _, f := range fates {
				for i, x := range f.Calls {
					during := x.Begun.After(ban.Ended) && x.Begun.Before(ban.Begun.Add(seconds*time.Second))
					if held[place{f.kind, f.account}] && during {
						t.Errorf("%s: called %v after the ban of %d s began", &f, x.Begun.Sub(ban.Begun), seconds)
					}
					if i > 0 && f.mark != first.mark {
						t.Errorf("%s: called %d times", &f, len(f.Calls))
						break
					}
				}
			}
			r.metric(map[string]float64{
				"pause_active" + series: 0,
				fmt.Sprintf(`requests_total{method=%q,result="throttled"}`, logistics.method): 1,
			})
			if total := r.metrics["pause_seconds_total"+series]; total < seconds || total > seconds+1 {
				t.Errorf("pause_seconds_total is %v, want %d", total, seconds)
			}
		})
	}
}
