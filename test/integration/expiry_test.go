package integration

import (
	"testing"
	"time"

	"github.com/toprelay/worker/internal/simulator"
)

// TestExpiresWhileItWaits: expirytime is looked at before each attempt. Once it is past the event is given up as
// expired, and the next one of its key flows.
func TestExpiresWhileItWaits(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	r.start()
	r.awaitReady()
	until := time.Now().Add(1500 * time.Millisecond)
	e := logistics.event(1).header("ce_expirytime", until.UTC().Format(time.RFC3339Nano))
	next := logistics.event(1)
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: e.key}, Action: simulator.Action{Status: 503}})
	r.publish(e, next)
	if s := r.await(1)[0]; s.Reason != "expired" || time.Now().Before(until) {
		t.Errorf("%s %s at %v, want expired after %v", s.Outcome, s.Reason, time.Now(), until)
	}
	r.gateway.faults()
	r.await(1)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"logistics expired": 1, "logistics delivered": 1})
	letter := r.letterOf(fates, e)
	if header(letter, "toprelay-attempts") == "0" || header(letter, "toprelay-ambiguous") != "true" {
		t.Errorf("the letter says %s attempts, ambiguous %s: each 503 may have run", header(letter, "toprelay-attempts"), header(letter, "toprelay-ambiguous"))
	}
	for _, x := range of(r.gateway.log(), byMark(e.mark)) {
		if x.Begun.After(until.Add(time.Second)) {
			t.Errorf("called %v after it had expired", x.Begun.Sub(until))
		}
	}
}
