package integration

import (
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestBanSurvivesARestart: a worker that starts anew knows of the ban and makes no call before its end.
func TestBanSurvivesARestart(t *testing.T) {
	t.Parallel()
	const seconds = 3
	r := newRelay(t, setup{})
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Method: logistics.method}, Action: simulator.Action{BanSeconds: seconds}})
	e := logistics.event(1)
	r.publish(e)
	r.start()
	r.awaitLog(`"msg":"paused"`, 1)
	r.stop()
	r.start()
	r.publish(delivery.event(1))
	r.await(2)
	r.stop()
	r.expect(r.audit(claims{restarted: true}), map[string]int{"logistics delivered": 1, "delivery delivered": 1})
	if calls := of(r.gateway.log(), byMark(e.mark)); len(calls) != 2 {
		t.Errorf("%d calls of one event that met one ban: the second worker did not know of it", len(calls))
	}
}

// TestDailyLimitSurvivesARestart: the calls of a day are counted over restarts (contract section 6, Rate limit).
func TestDailyLimitSurvivesARestart(t *testing.T) {
	t.Parallel()
	const day = 5
	r := newRelay(t, setup{})
	r.configure(fmt.Sprintf("methods.%s.rate_limit.per_day=%d", logistics.method, day))
	r.start()
	for order := range day {
		r.publish(logistics.event(order))
	}
	r.await(day)
	r.publish(logistics.event(day))
	r.awaitMetric(`keys_waiting{reason="rate_limit"}`, 1)
	r.stop()
	r.start()
	r.publish(delivery.event(1))
	r.await(1)
	r.until("the event waits, or is sent", func() error {
		if r.scrape()[`keys_waiting{reason="rate_limit"}`] != 1 && len(of(r.gateway.log(), byMethod(logistics.method))) == day {
			return fmt.Errorf("neither")
		}
		return nil
	})
	r.stop()
	if n := len(of(r.gateway.log(), byMethod(logistics.method))); n != day {
		t.Errorf("%d calls on one day, the limit is %d: the second worker began to count anew", n, day)
	}
}
