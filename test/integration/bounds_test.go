package integration

import (
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestMaxUnsettled: one order whose calls hang fills its share of what may be unsettled. Its partition is not fetched any
// further and says so; all others flow, and no dead letter comes of it.
func TestMaxUnsettled(t *testing.T) {
	t.Parallel()
	const most = 20
	r := newRelay(t, setup{})
	r.configure(fmt.Sprintf("consumer.max_unsettled=%d", most), "top.timeout=15s")
	hanging := logistics.events(1, 2*most)
	for _, e := range hanging {
		r.publish(e.at(0))
	}
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: hanging[0].key}, Action: simulator.Action{Delay: patience}})
	r.sampleCommits()
	r.start()
	stalled := fmt.Sprintf(`partition_stalled{cause="share",partition="0",topic=%q}`, r.status())
	r.awaitMetric(stalled, 1)
	// The orders of the other partition, of the same method and account and of others.
	others := 0
	for n := range 2 * most {
		r.publish(logistics.event(2+n%5).at(1), delivery.event(n%5).at(1))
		others += 2
	}
	r.await(others)
	r.awaitMetric(fmt.Sprintf(`partition_stalled{cause="share",partition="1",topic=%q}`, r.status()), 0)
	r.metric(map[string]float64{stalled: 1})
	if age := r.metrics[fmt.Sprintf(`oldest_unsettled_age_seconds{partition="0",topic=%q}`, r.status())]; age <= 0 {
		t.Errorf("the oldest unsettled event is %v s old", age)
	}
	if n := r.metrics[fmt.Sprintf(`events_consumed_total{topic=%q}`, r.status())]; n > float64(most/2+1+others) {
		t.Errorf("%v events were fetched, of which %d may be unsettled", n, most/2)
	}
	if what := r.missing(); what != "" {
		t.Errorf("a stalled partition makes the worker not ready: %s", what)
	}
	r.gateway.faults()
	r.gateway.release()
	r.await(len(hanging))
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 4 * most, "delivery delivered": 2 * most})
	r.metric(map[string]float64{stalled: 0})
}
