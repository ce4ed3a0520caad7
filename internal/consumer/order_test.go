package consumer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// The first event of a key fails twice: the later ones of the key wait, those of other keys flow.
func TestOrderThroughRetries(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "a1" && c.n <= 2 {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("a1", 1), status("a2", 1), status("b1", 2), status("a3", 1), status("b2", 2))
		r.want("at once", r.results.outcomes(), []string{"b1 delivered", "b2 delivered"})
		r.metric(`toprelay_keys_waiting{reason="retry"}`, 1)
		r.pass(commitInterval)
		r.want("committed past the waiting event", r.kafka.at(part(0)), 0)
		r.pass(1*time.Second + 2*time.Second)
		r.want("in the end", r.results.outcomes(), []string{"b1 delivered", "b2 delivered", "a1 delivered", "a2 delivered", "a3 delivered"})
		var at []string
		start := r.caller.of("a1")[0].at
		for _, c := range r.caller.of("a1") {
			at = append(at, c.at.Sub(start).String())
		}
		r.want("tries", at, []string{"0s", "1s", "3s"})
		r.want("attempts of the result", r.results.list()[2].Attempts, 3)
	})
}

// A dead letter gives up its place: the next event of its key follows.
func TestOrderAfterADeadLetter(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "a1" {
				return refused()
			}
			return accepted()
		})
		r.produce(status("a1", 1), status("a2", 1, value(`{"logistics_order_id":1}`)), status("a3", 1))
		r.want("settled", r.results.outcomes(), []string{"a1 dead_lettered", "a2 dead_lettered", "a3 delivered"})
	})
}

// A ban holds its method and app key, and nothing else; when it is over, everybody goes on in the order of the keys.
func TestOrderThroughABan(t *testing.T) {
	started(t, nil, func(r *rig) {
		ended := time.Now().Add(time.Minute)
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.method == statusMethod && c.account == "default" && time.Now().Before(ended) {
				return banned(time.Until(ended))
			}
			return accepted()
		})
		r.produce(status("a1", 1), status("a2", 1), status("b1", 2), create("c1"), status("d1", 4, ofAccount("other")))
		r.pass(30 * time.Second)
		// c1 and d1 are of two methods and accounts: which of them is settled first is open.
		r.want("while it lasts", slices.Sorted(slices.Values(r.results.outcomes())), []string{"c1 delivered", "d1 delivered"})
		r.metric(`toprelay_keys_waiting{reason="throttled"}`, 2)
		calls := len(r.caller.all())
		r.pass(29 * time.Second)
		r.want("calls in the ban", len(r.caller.all()), calls)
		r.pass(2 * time.Second)
		r.want("settled after it", len(r.results.list()), 5)
		for _, res := range r.results.list() {
			r.want("attempts of "+res.EventID, res.Attempts, 1) // a ban costs none
		}
		r.metric(`toprelay_keys_waiting{reason="throttled"}`, 0)
	})
}

// A dead session holds its account until a probe passes. Nothing is given up, however long it takes.
func TestOrderThroughADeadSession(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.account == "default" {
				return sessionGone()
			}
			return accepted()
		})
		for i := range 20 {
			r.produce(status(fmt.Sprintf("a%d", i), i%4), status(fmt.Sprintf("b%d", i), 100+i, ofAccount("other")))
		}
		r.pass(time.Hour)
		r.want("settled while it is dead", len(r.results.list()), 20)
		r.want("letters", r.letters.reasons(), []string{})
		if calls := len(r.caller.all()); calls > 20+4+15 {
			t.Errorf("%d calls in an hour with a dead session", calls)
		}
		r.caller.answer(nil)
		r.gate.SecretChanged("default")
		r.pass(2 * time.Second)
		r.want("settled", len(r.results.list()), 40)
	})
}

// A key that waits holds no slot: with one slot, a hundred keys that wait do not stop the next one.
func TestWaitingHoldsNoSlot(t *testing.T) {
	started(t, func(s *setup) {
		s.options.Concurrency = 1
		s.gate.Breaker = retry.BreakerOptions{ConsecutiveFailures: 1000, MinRequests: 1000}
	}, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "good" {
				return accepted()
			}
			return unreachable()
		})
		for i := range 100 {
			r.produce(status(fmt.Sprintf("bad-%d", i), i))
		}
		r.metric(`toprelay_keys_waiting{reason="retry"}`, 100)
		r.produce(status("good", 1000))
		r.want("settled", r.results.outcomes(), []string{"good delivered"})
	})
}

// Calls that hang take their slots and no more; one key's hanging call stops that key only.
func TestConcurrencyIsBounded(t *testing.T) {
	started(t, func(s *setup) { s.options.Concurrency = 4 }, func(r *rig) {
		r.caller.lasting(func(c fakeCall) time.Duration {
			if c.id == "slow" {
				return 9 * time.Second
			}
			return 100 * time.Millisecond
		})
		r.produce(status("slow", 0), status("behind", 0))
		for i := range 60 {
			r.kafka.append(part(0), status(fmt.Sprintf("e-%d", i), 1+i))
		}
		r.pass(50 * time.Millisecond)
		r.want("calls in flight", r.caller.inFlight(), 4)
		r.pass(2 * time.Second) // 60 events on 3 slots
		r.want("settled", len(r.results.list()), 60)
		r.pass(8 * time.Second)
		r.want("settled", len(r.results.list()), 62)
		r.want("most calls at once", r.caller.most, 4)
	})
}

// Scopes take turns: a long queue of one account does not hold up an event of another.
func TestScopesTakeTurns(t *testing.T) {
	started(t, func(s *setup) { s.options.Concurrency = 2; s.options.MaxUnsettled = 10_000 }, func(r *rig) {
		r.caller.lasting(func(fakeCall) time.Duration { return 100 * time.Millisecond })
		for i := range 500 {
			r.kafka.append(part(0), status(fmt.Sprintf("many-%d", i), i))
		}
		r.pass(time.Second)
		r.produce(status("one", 1000, ofAccount("other")))
		r.pass(400 * time.Millisecond)
		if len(r.caller.of("one")) != 1 {
			t.Errorf("after four rounds the other account had no turn behind %d calls", len(r.caller.all()))
		}
		r.pass(time.Minute)
	})
}

// A key that the gate parks alone does not hold up the keys behind it.
func TestAParkedKeyStopsOnlyItself(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.key == "1" {
				return sessionDead()
			}
			return accepted()
		})
		r.produce(status("bad", 1), status("behind", 1))
		r.metric(`toprelay_keys_waiting{reason="parked"}`, 1)
		r.produce(status("good", 2))
		r.want("settled", r.results.outcomes(), []string{"good delivered"})
		// Another key has passed: three more tries, then it is the event's own fault; so for the one behind it.
		r.pass(1*time.Second + 2*time.Second + 4*time.Second)
		r.want("letters", r.letters.reasons(), []string{"bad rejected"})
		r.want("calls", len(r.caller.of("bad")), 4)
		r.want("calls of the next one", len(r.caller.of("behind")), 1)
		// The next one starts without a record: the session may be dead by now.
		r.pass(20 * time.Second)
		r.want("letters", r.letters.reasons(), []string{"bad rejected"})
		r.want("calls of the next one", len(r.caller.of("behind")), 1)
	})
}
