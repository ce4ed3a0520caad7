package integration

import (
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestDeadSession: a session that is over pauses its account, and a new one in the file resumes it. No attempt is spent.
func TestDeadSession(t *testing.T) {
	t.Parallel()
	r := twoAccounts(t)
	r.sampleCommits()
	r.start()
	r.publish(logistics.event(1))
	r.await(1)
	const fresh = "a-fresh-session-not-real"
	r.must(r.gateway.sim.SetApp(appKey, simulator.App{Secret: secret, Sessions: []string{fresh}, Expired: []string{session}}))
	r.publish(logistics.event(1), logistics.event(2))
	r.awaitLog(`"msg":"paused"`, 1)
	series := `pause_active{account="default",method="",reason="session",scope="account"}`
	r.metricNow(map[string]float64{series: 1})
	if what := r.missing(); what != "" {
		t.Errorf("a dead session makes the worker not ready: %s", what)
	}
	r.publish(logistics.event(1), logistics.event(3), create.event(4), logistics.event(1).by(otherAccount), create.event(5).by(otherAccount))
	r.await(2) // those of the other account
	if n := len(r.letters()); n != 0 {
		t.Errorf("%d dead letters of a dead session", n)
	}
	before := len(r.gateway.log())
	r.file("session", fresh)
	r.await(5)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"logistics delivered": 6, "create delivered": 2})
	if n := len(r.gateway.log()) - before; n != 5 {
		t.Errorf("%d calls of 5 events after the session was replaced", n)
	}
	r.metric(map[string]float64{series: 0})
}

// TestWrongSecret: the platform refuses every sign. That is no fault of the events: the app key is paused as
// misconfigured and resumes when the file holds the right secret.
func TestWrongSecret(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.file("secret", "the-secret-of-yesterday")
	r.publish(logistics.event(1), logistics.event(2), logistics.event(2), delivery.event(3), issue.event(4))
	r.sampleCommits()
	r.start()
	r.awaitLog(`"msg":"paused"`, 1)
	series := `pause_active{account="default",method="",reason="misconfigured",scope="app_key"}`
	r.awaitMetric(series, 1)
	if what := r.missing(); what != "" {
		t.Errorf("a wrong secret makes the worker not ready: %s", what)
	}
	if n := len(r.letters()); n != 0 {
		t.Errorf("%d dead letters of a wrong secret", n)
	}
	r.file("secret", secret)
	r.await(5)
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 3, "delivery delivered": 1, "issue delivered": 1})
	r.metric(map[string]float64{series: 0})
}

// TestSecretFileVanishes: the old secret stays in use, and the log says so without telling it.
func TestSecretFileVanishes(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.start()
	r.file("secret", "")
	r.awaitLog("the old value stays in use", 1)
	r.publish(logistics.event(1))
	r.await(1)
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 1})
}

// TestQimenNotConfigured: without a Qimen gateway work orders wait and everything else flows; a worker that has one
// delivers them.
func TestQimenNotConfigured(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	set := r.set
	r.configure("qimen.outbound.gateway=")
	r.publish(issue.event(1), issue.event(2), issue.event(1))
	for _, k := range kinds {
		if k != issue {
			r.publish(k.event(1))
		}
	}
	r.sampleCommits()
	r.start()
	r.await(4)
	r.awaitLog(`"msg":"paused"`, 1)
	r.awaitMetric(`pause_active{account="",method="qimen.taobao.logistics.work.order.issue",reason="misconfigured",scope="method"}`, 1)
	if what := r.missing(); what != "" {
		t.Errorf("a gateway that is not configured makes the worker not ready: %s", what)
	}
	r.stop()
	if n := len(r.letters()); n != 0 {
		t.Errorf("%d dead letters of a gateway that is not configured", n)
	}
	if lag := r.lag(); lag != 7 {
		t.Errorf("lag %d: nothing may be committed past the work order that waits", lag)
	}
	r.set = set
	r.start()
	r.await(7)
	r.stop()
	r.expect(r.audit(claims{restarted: true}), map[string]int{
		"logistics delivered": 1, "delivery delivered": 1, "sync delivered": 1, "create delivered": 1, "issue delivered": 3,
	})
}
