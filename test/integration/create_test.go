package integration

import (
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestAmbiguousCreate: a create whose call may have run is given up as outcome_unknown and is never sent again, not for a
// repeat, not by a worker that starts anew.
func TestAmbiguousCreate(t *testing.T) {
	t.Parallel()
	for name, action := range map[string]simulator.Action{
		"502":       {Status: 502},
		"timeout":   {Delay: patience},
		"cut":       {Cut: simulator.CutBefore},
		"cut after": {Cut: simulator.CutAfter},
		"html":      {Garbage: simulator.GarbageHTML},
		"empty":     {Garbage: simulator.GarbageEmpty},
		"truncated": {Garbage: simulator.GarbageTruncated},
		"endless":   {Garbage: simulator.GarbageEndless},
		"10":        {Code: 10},
		"15 isp":    {Code: 15, SubCode: "isp.service-error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, setup{partitions: 1})
			set := r.set
			if name == "timeout" || name == "endless" {
				r.configure("top.timeout=300ms") // of the first worker, which makes the one call that hangs
			}
			unclear := create.event(1)
			r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: unclear.key}, Action: action})
			r.publish(unclear, unclear.again())
			r.start()
			r.await(2)
			r.metricNow(map[string]float64{fmt.Sprintf(`requests_total{method=%q,result="ambiguous"}`, create.method): 1})
			r.stop()
			r.set = set
			r.gateway.faults() // the platform is well again: nobody must find out by sending it once more
			other := create.event(1).and(map[string]any{"memo": "mk0z"})
			r.publish(unclear.again(), other, create.event(2))
			r.start()
			r.await(3)
			r.stop()
			fates := r.audit(claims{restarted: true})
			r.expect(fates, map[string]int{"create outcome_unknown": 3, "create idempotency_conflict": 1, "create delivered": 1})
			if n := len(of(r.gateway.log(), byMark(unclear.mark))); n != 1 {
				t.Errorf("%d calls of a create whose outcome is unknown", n)
			}
			letter := r.letterOf(fates, unclear)
			if header(letter, "toprelay-ambiguous") != "true" || header(letter, "toprelay-attempts") != "1" {
				t.Errorf("the letter says ambiguous %s after %s attempts", header(letter, "toprelay-ambiguous"), header(letter, "toprelay-attempts"))
			}
			if action.Code != 0 && (header(letter, "toprelay-code") != fmt.Sprint(action.Code) || header(letter, "toprelay-request-id") == "") {
				t.Errorf("the letter says code %q and request %q", header(letter, "toprelay-code"), header(letter, "toprelay-request-id"))
			}
		})
	}
}

// TestCreatesInAnOutage: an outage costs a method that must not be repeated the few calls that were in flight when it
// began and one for each probe, and the others are delivered once it is over.
func TestCreatesInAnOutage(t *testing.T) {
	t.Parallel()
	const orders = 30
	r := newRelay(t, setup{})
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Method: create.method}, Action: simulator.Action{Status: 502}})
	for order := range orders {
		r.publish(create.event(order))
	}
	r.sampleCommits()
	r.start()
	r.awaitMetric(fmt.Sprintf(`breaker_state{method=%q}`, create.method), 2)
	r.awaitExchanges(5, byMethod(create.method))
	r.gateway.faults()
	r.await(orders)
	r.stop()
	counts := tally(r.audit(claims{}))
	if lost := counts["create outcome_unknown"]; lost < 1 || lost > 8 || counts["create delivered"] != orders-lost {
		t.Errorf("%v: an outage that met four calls at once and a few probes must cost no more than those", counts)
	}
	if n := len(r.gateway.log()); n != orders {
		t.Errorf("%d calls of %d creates", n, orders)
	}
}

// TestCreatesAreRetriedWhereNothingRan: a gateway that refuses connections has run nothing.
func TestCreatesAreRetriedWhereNothingRan(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{shut: true})
	r.publish(create.event(1), create.event(2), create.event(3))
	r.sampleCommits()
	r.start()
	r.awaitAttempt(create.key(1))
	r.gateway.open()
	r.await(3)
	r.stop()
	r.expect(r.fates(), map[string]int{"create delivered": 3})
	r.metrics = nil // the gateway saw nothing of the calls that were refused
	r.audit(claims{})
	if n := len(r.gateway.log()); n != 3 {
		t.Errorf("%d calls of 3 creates", n)
	}
}
