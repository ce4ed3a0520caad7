package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// An outage never makes a dead letter, at one event a minute of one key or of many, whatever it looks like from here.
func TestOutageMakesNoDeadLetter(t *testing.T) {
	looks := map[string]func() top.Reply{"refused": unreachable, "time-out or 5xx": broken}
	for name, reply := range looks {
		for _, keys := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s, %d keys", name, keys), func(t *testing.T) {
				started(t, nil, func(r *rig) {
					r.caller.answer(func(fakeCall) top.Reply { return reply() })
					for i := range 20 {
						r.produce(status(fmt.Sprintf("e-%d", i), i%keys))
						r.pass(time.Minute)
					}
					r.want("letters", r.letters.reasons(), []string{})
					r.want("settled", r.results.outcomes(), []string{})
					r.caller.answer(nil)
					r.pass(2 * time.Minute)
					r.want("settled", len(r.results.list()), 20)
					r.want("letters", r.letters.reasons(), []string{})
				})
			})
		}
	}
}

// An event that fails while others of its method pass is given up, not before its attempts and its time are used up.
func TestRetriesExhausted(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.key == "1" {
				return broken()
			}
			return accepted()
		})
		r.produce(status("bad", 1))
		for i := range 100 {
			r.pass(100 * time.Millisecond)
			r.produce(status(fmt.Sprintf("good-%d", i), 2))
		}
		// Tries at 0, 1 and 3 s make three attempts, but 3 s of active time: the fourth, at 3 + 8 s, is the last.
		r.want("letters before", r.letters.reasons(), []string{})
		r.pass(1500 * time.Millisecond)
		r.want("letters", r.letters.reasons(), []string{"bad retries_exhausted"})
		l := r.letters.list()[0]
		if l.Attempts != 4 || !l.Ambiguous || l.FailedAt.Sub(l.FirstFailedAt) != 11*time.Second {
			t.Errorf("letter %+v", l)
		}
		k, _ := r.keyOf(status("bad", 1))
		if row, _ := r.ledger.row(k); row.state != "unknown" {
			t.Errorf("an ambiguous event is given up and the ledger has %+v", row)
		}

		// The id is not free for another content, but its own may be tried again, with a clean slate.
		r.caller.answer(nil)
		r.produce(status("bad", 1, value(`{"logistics_order_id":1,"status_code":"create"}`)))
		r.want("letters", r.letters.reasons(), []string{"bad retries_exhausted", "bad idempotency_conflict"})
		r.produce(status("bad", 1))
		results := r.results.list()
		if last := results[len(results)-1]; last.Outcome != "delivered" || last.Attempts != 1 {
			t.Errorf("the same event, published again: %+v", last)
		}
	})
}

// The time to give up begins with the first failure: what the first call itself took, and what the event waited for before
// it, is none of it.
func TestActiveTimeBeginsWithTheFirstFailure(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.lasting(func(c fakeCall) time.Duration {
			if c.key == "1" && c.n == 1 {
				return 8 * time.Second
			}
			return 0
		})
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.key == "1" {
				return broken()
			}
			return accepted()
		})
		r.produce(status("bad", 1))
		for i := range 180 {
			r.pass(100 * time.Millisecond)
			r.produce(status(fmt.Sprintf("good-%d", i), 2))
		}
		// Tries end at 8, 9 and 11 s: three attempts, and 3 s of the 4 s that it must have been failing.
		r.want("letters before", r.letters.reasons(), []string{})
		r.pass(1500 * time.Millisecond) // the next one is at 11 + 8 s
		r.want("letters", r.letters.reasons(), []string{"bad retries_exhausted"})
	})
}

// One attempt is no evidence, whatever the policy says: there is no time between two in which another key could have passed.
func TestOneAttemptIsNoEvidence(t *testing.T) {
	started(t, func(s *setup) { s.policy.MaxAttempts, s.policy.GiveUpAfter = 1, 0 }, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "bad" {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("good-1", 2))
		r.produce(status("bad", 1))
		r.pass(time.Second)
		r.want("letters", r.letters.reasons(), []string{})
		r.produce(status("good-2", 2))
		r.pass(8 * time.Second)
		r.want("letters", r.letters.reasons(), []string{"bad retries_exhausted"})
		r.want("calls", len(r.caller.of("bad")), 2)
	})
}

// Pauses do not count as time in which the event failed.
func TestPausesAreNoActiveTime(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			switch {
			case c.id == "bad":
				return unreachable()
			case c.id == "ban" && c.n == 1:
				return banned(time.Hour)
			}
			return accepted()
		})
		r.produce(status("bad", 1))
		r.produce(status("ban", 2))
		r.pass(time.Hour + 1500*time.Millisecond) // second try
		r.produce(status("good-1", 3))
		r.pass(2 * time.Second) // third
		r.want("tries", len(r.caller.of("bad")), 3)
		r.want("letters", r.letters.reasons(), []string{})
		if it := r.worker.parts[0].window.oldest(); it.history.Active > 4*time.Second {
			t.Errorf("active for %v, of which one hour was a ban", it.history.Active)
		}
		r.produce(status("good-2", 4))
		r.pass(8 * time.Second)
		r.want("letters", r.letters.reasons(), []string{"bad retries_exhausted"})
	})
}

// What the attempts have left survives a restart: the next try is not earlier, and they count.
func TestHistorySurvivesARestart(t *testing.T) {
	in(t, nil, func(first *rig) {
		first.kafka.assign(part(0))
		first.start()
		first.caller.answer(func(fakeCall) top.Reply { return broken() })
		first.produce(status("e-1", 1))
		first.pass(1500 * time.Millisecond) // tries at 0 and 1 s; the next is due at 3 s
		first.stop()
		first.want("calls", len(first.caller.all()), 2)

		second := newRig(t, func(s *setup) { s.kafka, s.ledger, s.repeats = first.kafka, first.ledger, true })
		second.kafka.settled = second.results.settled
		second.ledger.restarted()
		second.kafka.assign(part(0))
		second.start()
		second.want("calls before it is due", len(second.caller.all()), 0)
		second.metric(`toprelay_keys_waiting{reason="retry"}`, 1)
		if len(second.observer.attempted) != 0 {
			t.Errorf("an attempt was observed that nobody made: %+v", second.observer.attempted)
		}
		second.pass(1490 * time.Millisecond)
		second.want("calls just before it is due", len(second.caller.all()), 0)
		second.pass(20 * time.Millisecond)
		second.want("settled", second.results.outcomes(), []string{"e-1 delivered"})
		second.want("attempts", second.results.list()[0].Attempts, 3)
		second.metric(`toprelay_retries_total{method="`+statusMethod+`"}`, 1)
		second.stop()
		second.check()
	})
}

// A clock that was set back must not make an event wait for the hour that it was in before.
func TestHistoryFromTheFuture(t *testing.T) {
	started(t, nil, func(r *rig) {
		k, _ := r.keyOf(status("e-1", 1))
		r.ledger.rows[k] = &fakeRow{history: retry.History{
			Attempts: 1, FirstFailedAt: time.Now().Add(24 * time.Hour), LastAttemptAt: time.Now().Add(24 * time.Hour),
		}}
		r.produce(status("e-1", 1))
		r.pass(1100 * time.Millisecond)
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
	})
}

// Expired before it came, and expired while it waited: no call is made for it any more.
func TestExpires(t *testing.T) {
	t.Run("before it came", func(t *testing.T) {
		started(t, nil, func(r *rig) {
			r.produce(status("e-1", 1, expires(-time.Second)))
			r.want("letters", r.letters.reasons(), []string{"e-1 expired"})
			r.want("calls", len(r.caller.all()), 0)
		})
	})
	t.Run("exactly now is not past", func(t *testing.T) {
		started(t, nil, func(r *rig) {
			r.produce(status("e-1", 1, expires(0)))
			r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		})
	})
	t.Run("while it waits for its next try", func(t *testing.T) {
		started(t, nil, func(r *rig) {
			r.caller.answer(func(fakeCall) top.Reply { return broken() })
			r.produce(status("e-1", 1, expires(2*time.Second)))
			r.pass(10 * time.Second) // tries at 0 and 1 s, the third would be at 3 s
			r.want("letters", r.letters.reasons(), []string{"e-1 expired"})
			r.want("calls", len(r.caller.all()), 2)
			l := r.letters.list()[0]
			if l.Attempts != 2 || !l.Ambiguous || l.FirstFailedAt.IsZero() {
				t.Errorf("letter %+v", l)
			}
			k, _ := r.keyOf(status("e-1", 1))
			if row, _ := r.ledger.row(k); row.state != "unknown" {
				t.Errorf("an event that may have run expired and the ledger has %+v", row)
			}
		})
	})
	t.Run("while its scope is paused", func(t *testing.T) {
		started(t, nil, func(r *rig) {
			r.caller.answer(func(c fakeCall) top.Reply {
				if c.n == 1 && c.id == "ban" {
					return banned(time.Minute)
				}
				return accepted()
			})
			r.produce(status("ban", 1))
			r.produce(status("e-1", 2, expires(10*time.Second)), status("e-2", 2))
			r.pass(2 * time.Minute)
			r.want("letters", r.letters.reasons(), []string{"e-1 expired"})
			r.want("calls", len(r.caller.of("e-1")), 0)
			r.want("settled", len(r.results.list()), 3)
		})
	})
	t.Run("wrong data and expired: expiry comes first", func(t *testing.T) {
		started(t, nil, func(r *rig) {
			r.produce(status("e-1", 1, value("{}"), expires(-time.Second)), status("e-2", 1, value("[]"), expires(-time.Second)),
				status("e-3", 1, value("[]")))
			reasons := r.letters.reasons()
			slices.Sort(reasons) // they have no key, and so no order
			r.want("letters", reasons, []string{"e-1 expired", "e-2 expired", "e-3 invalid_data"})
		})
	})
}

// An account that is not configured comes before the data, which is read for its key all the same: an operator looks for
// the order.
func TestUnknownAccount(t *testing.T) {
	started(t, nil, func(r *rig) {
		long := strings.Repeat("长", 200)
		r.produce(status("e-1", 1, ofAccount("shop \"2\"")), status("e-2", 2, ofAccount(long)),
			status("e-3", 3, ofAccount("shop2"), value(`{"logistics_order_id":3}`)), status("e-4", 4, ofAccount("shop2"), value("[]")),
			status("e-5", 5, ofAccount("shop2"), expires(-time.Second)))
		got := map[string]Letter{}
		for _, l := range r.letters.list() {
			got[l.EventID] = l
		}
		for id, want := range map[string]struct{ key, account string }{
			"e-1": {"1", `"shop \"2\""`}, "e-2": {"2", `"` + long[:63] + `"`}, "e-3": {"3", `"shop2"`}, "e-4": {"", `"shop2"`}, "e-5": {"5", `"shop2"`},
		} {
			message := "topaccount names " + want.account + ", which is not configured under top.accounts"
			if l := got[id]; l.Reason != event.ReasonUnknownAccount || l.Key != want.key || l.Message != message || l.Pointer != "" {
				t.Errorf("letter of %s: %+v", id, l)
			}
		}
		r.metric(`toprelay_key_mismatch_total{topic="orders"}`, 0)
		r.want("calls", len(r.caller.all()), 0)
	})
}

// What is wrong with the event itself: one letter each, no call, no attempt, and the next event flows.
func TestDefects(t *testing.T) {
	tests := []struct {
		name    string
		record  event.Record
		reason  event.Reason
		pointer string
		typ     string // metric label
	}{
		{"null value", event.Record{Value: nil}, event.ReasonMalformedEvent, "", "other"},
		{"no type", status("e", 1, without("ce_type")), event.ReasonMalformedEvent, "", "other"},
		{"schema-registry frame", status("e", 1, value(string(frame()))), event.ReasonUnsupportedFormat, "", statusType},
		{"no JSON", status("e", 1, value("{")), event.ReasonMalformedEvent, "", statusType},
		{"no source", status("e", 1, without("ce_source")), event.ReasonMalformedEvent, "", statusType},
		{"unknown type", status("e", 1, without("ce_type"), header("ce_type", "top.nobody.v1")), event.ReasonUnknownType, "", "other"},
		{"unknown account", status("e", 1, ofAccount("nobody")), event.ReasonUnknownAccount, "", statusType},
		{"no object", status("e", 1, value("[]")), event.ReasonInvalidData, "", statusType},
		{"a field is missing", status("e", 1, value(`{"logistics_order_id":1}`)), event.ReasonInvalidData, "/status_code", statusType},
		{"oversized", status("e", 1, value(string(make([]byte, 5000)))), event.ReasonOversized, "", statusType},
		{"oversized, of an unknown type", status("e", 1, without("ce_type"), value(string(make([]byte, 5000)))), event.ReasonOversized, "", "other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started(t, func(s *setup) { s.maxBytes = 4096 }, func(r *rig) {
				r.produce(tt.record, status("next", 1))
				if len(r.letters.list()) != 1 {
					t.Fatalf("letters %v", r.letters.reasons())
				}
				l := r.letters.list()[0]
				if l.Reason != tt.reason || l.Pointer != tt.pointer || l.Message == "" || l.Attempts != 0 || l.Ambiguous || !l.FirstFailedAt.IsZero() {
					t.Errorf("letter %+v", l)
				}
				r.want("calls", r.caller.ids(), []string{"next"})
				r.metric(`toprelay_dead_letters_total{reason="`+string(tt.reason)+`",type="`+tt.typ+`"}`, 1)
				r.metric(`toprelay_events_settled_total{outcome="dead_lettered",type="`+tt.typ+`"}`, 1)
				r.pass(commitInterval)
				r.want("committed", r.kafka.at(part(0)), 2)
			})
		})
	}
}
