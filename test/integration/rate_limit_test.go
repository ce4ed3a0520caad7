package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// TestRateLimit: no second holds more calls of one app key and method than configured, and another method does not wait.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	const rate, events = 20, 50
	r := newRelay(t, setup{})
	r.configure(fmt.Sprintf("methods.%s.rate_limit.per_second=%d", logistics.method, rate), fmt.Sprintf("methods.%s.rate_limit.burst=%d", logistics.method, rate))
	for order := range events {
		r.publish(logistics.event(order), delivery.event(order))
	}
	began := time.Now()
	r.start()
	r.await(2 * events)
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": events, "delivery delivered": events})
	arrived := map[string][]time.Duration{}
	for _, x := range r.gateway.log() {
		arrived[x.Method] = append(arrived[x.Method], x.Begun.Sub(began))
	}
	slow, fast := arrived[logistics.method], arrived[delivery.method]
	slices.Sort(slow)
	for i, at := range slow {
		// Calls may be late on their way and never early, so that this holds on a slow machine too.
		if earliest := time.Duration(i/rate) * time.Second; at < earliest {
			t.Errorf("call %d came %v after the start, want %v at least", i, at, earliest)
		}
		if second := i + rate; second < len(slow) && slow[second]-at < 500*time.Millisecond {
			t.Errorf("calls %d to %d came within %v", i, second, slow[second]-at)
		}
	}
	if last := slices.Max(fast); last > slow[len(slow)-1] {
		t.Errorf("the method without a limit took %v, the one with a limit %v", last, slow[len(slow)-1])
	}
}
