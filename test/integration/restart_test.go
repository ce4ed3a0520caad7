package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/simulator"
)

// TestAttemptsSurviveARestart: a worker that starts anew between two attempts goes on counting, and the first failure
// stays the first.
func TestAttemptsSurviveARestart(t *testing.T) {
	t.Parallel()
	const most = 5
	r := newRelay(t, setup{})
	r.configure(fmt.Sprintf("retry.max_attempts=%d", most), "retry.give_up_after=0s", "retry.initial_interval=300ms",
		"retry.multiplier=1", "retry.randomization_factor=0", "retry.max_interval=300ms")
	bad := logistics.event(1)
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: bad.key}, Action: simulator.Action{Status: 503}})
	r.publish(bad)
	r.start()
	for n := 1; n <= 2; n++ {
		if a := r.awaitAttempt(bad.key); a.Attempts != n {
			t.Errorf("attempt %d is called %d", n, a.Attempts)
		}
	}
	firstRun := time.Now()
	r.stop()
	before := len(r.gateway.log())
	for len(r.attempted) > 0 { // on a slow machine there was a third attempt before the stop
		<-r.attempted
	}
	r.start()
	first := r.awaitAttempt(bad.key)
	if first.Attempts != before+1 {
		t.Errorf("the first failed attempt after the restart is number %d, want %d", first.Attempts, before+1)
	}
	healthy := 0
	for done := false; !done; {
		r.publish(logistics.event(2))
		healthy++
		for waiting := true; waiting; {
			s := r.await(1)[0]
			waiting, done = false, done || s.Key == bad.key
			if s.Key == bad.key && healthy > 0 {
				break
			}
		}
	}
	r.settleAll()
	r.stop()
	fates := r.audit(claims{restarted: true})
	letter, calls := r.letterOf(fates, bad), len(of(r.gateway.log(), byMark(bad.mark)))
	if header(letter, "toprelay-reason") != "retries_exhausted" || header(letter, "toprelay-attempts") != fmt.Sprint(calls) || calls < most {
		t.Errorf("%s after %s attempts, the gateway saw %d", header(letter, "toprelay-reason"), header(letter, "toprelay-attempts"), calls)
	}
	at, err := time.Parse(time.RFC3339Nano, header(letter, "toprelay-first-failed-at"))
	r.must(err)
	if at.After(firstRun) {
		t.Errorf("the first failure is said to be at %v, after the restart", at)
	}
}

// TestRestartSendsNothingTwice: a worker whose group has forgotten its commits reads everything again and knows it all
// from its ledger.
func TestRestartSendsNothingTwice(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	n := r.publishLoad(3, 2)
	r.start()
	r.await(n)
	r.stop()
	calls := len(r.gateway.log())
	r.must(r.forgetCommits())
	r.start()
	for _, s := range r.await(n) {
		if s.Outcome.String() != "delivered" || s.Attempts != 1 {
			t.Errorf("%s of %s is %s after %d attempts when it is read again", s.EventID, s.Key, s.Outcome, s.Attempts)
		}
	}
	r.stop()
	r.audit(claims{restarted: true})
	if again := len(r.gateway.log()) - calls; again != 0 {
		t.Errorf("%d calls of events that were delivered before", again)
	}
}
