package integration

import (
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestOneAttemptIsNoEvidence: with max_attempts 1 there are no last two attempts between which another key could have
// passed, so that one failure in an outage must not be a dead letter (contract sections 1 and 6).
func TestOneAttemptIsNoEvidence(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.configure("retry.max_attempts=1", "retry.give_up_after=0s")
	r.publish(logistics.event(1))
	r.start()
	r.await(1) // another key passed, long before the outage
	r.gateway.faults(simulator.Fault{Action: simulator.Action{Status: 503}, Times: 3})
	r.publish(logistics.event(2))
	r.await(1)
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 2})
}
