package consumer

import (
	"fmt"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

const (
	gatewayAway = "no answer from the gateway; its events wait"
	gatewayBack = "the gateway answers again"
)

// saidOfGateway fails the test unless it was said so often that the gateway is away and that it is back.
func (r *rig) saidOfGateway(away, back int) {
	r.t.Helper()
	if a, b := len(r.logs.with(r.t, gatewayAway)), len(r.logs.with(r.t, gatewayBack)); a != away || b != back {
		r.t.Errorf("said %d times that the gateway is away and %d times that it is back, want %d and %d:\n%s", a, b, away, back, r.logs)
	}
}

// One event waits, so that no breaker opens: that the gateway is away is said soon, then once a minute, and once when it is
// back, whatever it answers then.
func TestGatewayAway(t *testing.T) {
	answers := map[string]top.Reply{
		"ok": accepted(), "rejected": refused(), "throttled": banned(time.Second), "session": sessionDead(), "misconfigured": misconfigured(),
		"a code that may pass": {Class: top.ClassTransient, Written: true, Code: "SYSTEM_ERROR", Status: 200},
		"a status of its own":  {Class: top.ClassMisconfigured, Scope: top.ScopeAccountMethod, Written: true, Status: 404, Err: errReset},
	}
	for name, answer := range answers {
		for _, away := range []top.Reply{unreachable(), broken()} {
			t.Run(name, func(t *testing.T) {
				started(t, nil, func(r *rig) {
					r.caller.answer(func(fakeCall) top.Reply { return away })
					r.produce(status("e-1", 1))
					r.saidOfGateway(0, 0)
					r.pass(4 * time.Second)
					r.saidOfGateway(1, 0)
					if l := r.logs.with(t, gatewayAway)[0]; l["level"] != "WARN" || l["method"] != statusMethod || l["gateway"] != "top.gateway" || l["error"] != errReset.Error() {
						t.Errorf("the line is %v", l)
					}
					r.pass(50 * time.Second)
					r.saidOfGateway(1, 0)
					r.pass(5 * time.Minute)
					if n := len(r.logs.with(t, gatewayAway)); n < 5 || n > 6 {
						t.Errorf("said %d times in six minutes", n)
					}
					said := len(r.logs.with(t, gatewayAway))
					r.caller.answer(func(fakeCall) top.Reply { return answer })
					r.pass(time.Minute)
					r.saidOfGateway(said, 1)
					if l := r.logs.with(t, gatewayBack)[0]; l["method"] != statusMethod || l["after"].(float64) < 300 {
						t.Errorf("the line is %v", l)
					}
				})
			})
		}
	}
}

// Replies that are lost now and then are nothing to say: neither among thousands nor where the next try gets an answer.
func TestGatewayBlips(t *testing.T) {
	started(t, func(s *setup) { s.options.MaxUnsettled, s.options.Concurrency = 10_000, 64 }, func(r *rig) {
		n := 0
		r.caller.answer(func(c fakeCall) top.Reply {
			if n++; c.n == 1 && n%100 < 2 { // two one after the other
				return broken()
			}
			return accepted()
		})
		for i := range 3000 {
			r.kafka.append(part(0), status(fmt.Sprint("e-", i), i))
		}
		r.pass(10 * time.Second)
		r.produce(status("alone", 1))
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.n == 1 {
				return unreachable()
			}
			return accepted()
		})
		for i := range 5 {
			r.produce(status(fmt.Sprint("blip-", i), 1))
			r.pass(20 * time.Second)
		}
		r.want("settled", len(r.results.list()), 3006)
		r.saidOfGateway(0, 0)
	})
}

// Each method has a gateway of its own as far as one can tell: one may be there while the other is away.
func TestGatewayOfEachMethod(t *testing.T) {
	started(t, func(s *setup) { s.gate.Breaker = retry.BreakerOptions{ConsecutiveFailures: 1000} }, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.method == statusMethod {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("e-1", 1), status("e-2", 2))
		for i := range 10 {
			r.produce(parcel(fmt.Sprint("p-", i), 3))
			r.pass(time.Second)
		}
		r.saidOfGateway(1, 0)
		if l := r.logs.with(t, gatewayAway)[0]; l["method"] != statusMethod {
			t.Errorf("the line is %v", l)
		}
	})
}
