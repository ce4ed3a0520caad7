package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// outages are ways in which a gateway is away. Those of the first list answer or hang; a closed port is apart.
var outages = map[string]simulator.Action{
	"502":       {Status: 502, Body: "<html>Bad Gateway</html>"},
	"timeout":   {Delay: patience},
	"cut":       {Cut: simulator.CutBefore},
	"cut after": {Cut: simulator.CutAfter},
	"html":      {Garbage: simulator.GarbageHTML},
	"truncated": {Garbage: simulator.GarbageTruncated},
	"endless":   {Garbage: simulator.GarbageEndless},
	"10":        {Code: 10},
}

// TestOutage: while the gateway is away consumption waits, the log says so once, breaker and waiting keys show it, the
// worker stays ready, and no event is lost, given up or taken out of order. Once it is back all is delivered.
func TestOutage(t *testing.T) {
	t.Parallel()
	for name, action := range outages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kinds := []*kind{logistics, issue}
			if name == "502" {
				kinds = repeatableKinds
			}
			r := newRelay(t, setup{})
			// The tightest rule for giving up: only that others pass meanwhile would let an event be given up.
			r.configure("retry.max_attempts=2", "retry.give_up_after=0s")
			if name == "timeout" || name == "endless" {
				r.configure("top.timeout=3s", "breaker.consecutive_failures=3")
			}
			r.start()
			for _, k := range kinds {
				r.publish(k.event(1))
			}
			r.await(len(kinds))
			r.sampleCommits()
			r.gateway.faults(simulator.Fault{Action: action})
			const keys, each = 4, 3
			var events []*ev
			for n := range keys * each {
				for _, k := range kinds {
					events = append(events, k.event(1+n%keys))
				}
			}
			r.publish(events...)
			r.awaitLog("breaker opened", len(kinds))
			for _, k := range kinds {
				r.awaitMetric(fmt.Sprintf(`breaker_state{method=%q}`, k.method), 2)
			}
			r.awaitMetricAbove(`keys_waiting{reason="breaker_open"}`, 0)
			if what := r.missing(); what != "" {
				t.Errorf("an outage of the gateway makes the worker not ready: %s", what)
			}
			// It goes on looking, on one call at a time, and stays as it is.
			before := len(r.gateway.log())
			r.awaitExchanges(before+2*len(kinds), func(exchange) bool { return true })
			if n := strings.Count(r.log.String(), "breaker opened"); n != len(kinds) {
				t.Errorf("the log says %d times that a breaker opened, want once for each of %d methods", n, len(kinds))
			}
			r.gateway.faults()
			r.await(len(events))
			r.stop()
			fates := r.audit(claims{})
			want := map[string]int{}
			for _, k := range kinds {
				want[k.name+" delivered"] = 1 + keys*each
				r.metric(map[string]float64{
					fmt.Sprintf(`breaker_state{method=%q}`, k.method):                         0,
					fmt.Sprintf(`breaker_transitions_total{method=%q,to="open"}`, k.method):   r.metrics[fmt.Sprintf(`breaker_transitions_total{method=%q,to="half_open"}`, k.method)],
					fmt.Sprintf(`breaker_transitions_total{method=%q,to="closed"}`, k.method): 1,
					fmt.Sprintf(`requests_total{method=%q,result="rejected"}`, k.method):      0,
				})
				r.checkProbes(k)
			}
			r.expect(fates, want)
		})
	}
}

// checkProbes: an open breaker lets one call at a time through, each not before open_for has passed since the last.
func (r *relay) checkProbes(k *kind) {
	r.t.Helper()
	const openFor = 0.2 // s, as configFile sets it
	failed := of(r.gateway.log(), byMethod(k.method), func(x exchange) bool { return !x.accepted() })
	span := failed[len(failed)-1].Begun.Sub(failed[0].Begun).Seconds()
	// Those that were under way when it opened, then the probes.
	if most := 8 + 4 + int(span/openFor); len(failed) > most {
		r.t.Errorf("%s: %d failed calls in %.1f s, want %d at most", k.name, len(failed), span, most)
	}
}

// TestGatewayAwayAtStart: a port that nobody listens on.
func TestGatewayAwayAtStart(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{shut: true})
	r.configure("retry.max_attempts=2", "retry.give_up_after=0s")
	events := 0
	for _, k := range kinds {
		for order := range 6 {
			r.publish(k.event(order))
			events++
		}
	}
	r.sampleCommits()
	r.start()
	r.awaitReady()
	r.awaitLog("breaker opened", len(kinds))
	for _, k := range kinds {
		r.awaitMetric(fmt.Sprintf(`breaker_state{method=%q}`, k.method), 2)
	}
	if n := strings.Count(r.log.String(), "breaker opened"); n != len(kinds) {
		t.Errorf("the log says %d times that a breaker opened, want once for each of %d methods", n, len(kinds))
	}
	if n := len(r.letters()); n != 0 {
		t.Errorf("%d dead letters of an outage", n)
	}
	r.gateway.open()
	r.await(events)
	// Later the port is shut again.
	r.gateway.shut()
	for _, k := range kinds {
		for order := range 6 {
			r.publish(k.event(10 + order))
		}
	}
	r.awaitLog("breaker opened", 2*len(kinds))
	r.gateway.open()
	r.await(events)
	r.stop()
	r.metrics = nil // the gateway saw nothing of the calls that were refused
	want := map[string]int{}
	for _, k := range kinds {
		want[k.name+" delivered"] = 12
	}
	r.expect(r.audit(claims{}), want)
}

// TestOutageOfOneKey: at one event a minute no breaker ever sees enough; the event waits all the same.
func TestOutageOfOneKey(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.configure("retry.max_attempts=2", "retry.give_up_after=0s", "retry.max_interval=10ms")
	r.gateway.faults(simulator.Fault{Action: simulator.Action{Status: 503}})
	r.publish(logistics.events(1, 3)...)
	r.start()
	for range 20 {
		r.awaitAttempt("1")
	}
	r.gateway.faults()
	r.await(3)
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 3})
}
