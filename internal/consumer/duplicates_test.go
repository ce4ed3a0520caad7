package consumer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// The same event many times, in one partition and in others: one call, the rest are duplicates with the stored reply.
func TestDuplicatesDelivered(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.kafka.assign(part(0), part(1))
		r.start()
		r.caller.answer(func(fakeCall) top.Reply {
			reply := accepted()
			reply.Fields = map[string]any{"service_order_id": 42}
			return reply
		})
		for range 50 {
			r.kafka.append(part(0), create("e-1"))
			r.kafka.append(part(1), create("e-1"))
		}
		r.pass(time.Minute)
		r.want("calls", len(r.caller.all()), 1)
		results := r.results.list()
		r.want("settled", len(results), 100)
		for i, res := range results {
			want := "duplicate"
			if i == 0 {
				want = "delivered"
			}
			if res.Outcome != want || string(res.Reply) != `{"service_order_id":42}` {
				t.Fatalf("result %d: %s with reply %s", i, res.Outcome, res.Reply)
			}
		}
		r.metric(`toprelay_events_settled_total{outcome="duplicate",type="`+createType+`"}`, 99)
		r.metric(`toprelay_retries_total{method="`+createMethod+`"}`, 0)
	})
}

// Duplicates make no call, and cost no tokens.
func TestDuplicatesAreNotRateLimited(t *testing.T) {
	started(t, func(s *setup) { s.gate.Rate = retry.Rate{PerSecond: 5, Burst: 5} }, func(r *rig) {
		for range 51 {
			r.produce(status("e-1", 1))
		}
		r.pass(time.Second)
		r.want("settled", len(r.results.list()), 51)
		r.want("calls", len(r.caller.all()), 1)
	})
}

// A duplicate that comes while the first one's call is in flight waits for what comes of it.
func TestDuplicateInFlight(t *testing.T) {
	tests := []struct {
		name  string
		reply top.Reply
		want  []string
		calls int
	}{
		{"delivered", accepted(), []string{"e-1 delivered", "e-1 duplicate"}, 1},
		{"rejected: the second is an event of its own", refused(), []string{"e-1 dead_lettered", "e-1 dead_lettered"}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, nil, func(r *rig) {
				r.kafka.assign(part(0), part(1))
				r.start()
				r.caller.answer(func(fakeCall) top.Reply { return tt.reply })
				r.caller.lasting(func(fakeCall) time.Duration { return 3 * time.Second })
				r.kafka.append(part(0), status("e-1", 1))
				r.pass(time.Second)
				r.kafka.append(part(1), status("e-1", 1), status("behind", 1))
				r.pass(time.Second)
				r.want("calls in flight", r.caller.inFlight(), 1)
				r.metric(`toprelay_keys_waiting{reason="busy"}`, 1)
				r.pass(20 * time.Second)
				r.want("settled", r.results.outcomes()[:2], tt.want)
				r.want("calls", len(r.caller.of("e-1")), tt.calls)
			})
		})
	}
}

// A duplicate whose other claim never ends must not turn in a hot loop, whatever deadline the ledger tells.
func TestBusyIsNoHotLoop(t *testing.T) {
	for _, until := range []time.Duration{-time.Hour, 0, time.Hour} {
		t.Run(until.String(), func(t *testing.T) {
			started(t, nil, func(r *rig) {
				k, _ := r.keyOf(status("e-1", 1))
				r.ledger.rows[k] = &fakeRow{claimed: true, deadline: time.Now().Add(time.Hour)}
				r.worker.ledger = busyUntil{r.ledger, until}
				r.produce(status("e-1", 1))
				r.pass(10 * time.Second)
				if n := r.ledger.count("claim"); n < 50 || n > 102 {
					t.Errorf("%d claims in 10 s, want ten a second", n)
				}
			})
		})
	}
}

// busyUntil is a ledger that says another deadline.
type busyUntil struct {
	Ledger
	after time.Duration
}

func (b busyUntil) Claim(ctx context.Context, r ClaimRequest) (Claim, error) {
	c, err := b.Ledger.Claim(ctx, r)
	if c.Answer == AnswerBusy {
		c.BusyUntil = time.Now().Add(b.after)
	}
	return c, err
}

// The same id with another content.
func TestConflict(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "rejected" {
				return refused()
			}
			return accepted()
		})
		r.produce(status("e-1", 1), status("e-1", 1, value(`{"logistics_order_id":1,"status_code":"create"}`)))
		r.want("letters", r.letters.reasons(), []string{"e-1 idempotency_conflict"})
		if l := r.letters.list()[0]; l.Attempts != 0 || l.Ambiguous {
			t.Errorf("letter %+v", l)
		}
		// A clean dead letter forgets its id: the corrected event may use it again.
		r.produce(status("rejected", 2))
		r.produce(status("rejected", 2, value(`{"logistics_order_id":2,"status_code":"cancel","express_company":"corrected"}`)))
		r.want("settled", r.results.outcomes()[2:], []string{"rejected dead_lettered", "rejected delivered"})
	})
}

// After an ambiguous attempt the id stays known, also after the letter.
func TestConflictWithUnknown(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(fakeCall) top.Reply { return ambiguous() })
		r.produce(create("e-1"))
		r.produce(create("e-1"))
		r.produce(create("e-1", value(`{"service_product_id":2,"service_object_type":"tv","service_content":"mount","service_properties":{},
			"buyer":{"buyer_name":"a","mobile":"13000000000"},"service_count":1,"out_order_id":"e-1","source":"JD"}`)))
		r.pass(20 * time.Second) // the breaker is open at first: what needs no call passes with its probes
		r.want("letters", r.letters.reasons(), []string{"e-1 outcome_unknown", "e-1 outcome_unknown", "e-1 idempotency_conflict"})
		r.want("calls", len(r.caller.all()), 1)
		for i, calls := range []int{1, 0, 0} { // the second event made none of its own
			if l := r.letters.list()[i]; l.Attempts != calls || l.Ambiguous != (i < 2) || l.FirstFailedAt.IsZero() != (calls == 0) {
				t.Errorf("letter %d: %+v", i, l)
			}
			if res := r.results.list()[i]; res.Attempts != calls {
				t.Errorf("result %d: %+v", i, res)
			}
		}
	})
}

// The letter of a call that may have run was not acknowledged when the worker stopped: its successor reads the event again,
// makes no call, and writes the letter of the call that was made.
func TestUnknownIsReadAgain(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.answer(func(fakeCall) top.Reply { return ambiguous() })
		r.letters.failing(errAway)
		r.produce(create("e-1"))
		r.pass(5 * time.Second)
		g.rebalance()
		r.ledger.restarted()
		r.letters.failing(nil)
		r.kafka.assign(part(0))
		r.pass(20 * time.Second)
		r.want("calls", len(r.caller.all()), 1)
		r.want("letters", r.letters.reasons(), []string{"e-1 outcome_unknown"})
		if l := r.letters.list()[0]; l.Attempts != 1 || !l.Ambiguous || l.FirstFailedAt.IsZero() {
			t.Errorf("letter %+v", l)
		}
	})
}

// A claim that a former worker left during its call, and the call must not be repeated.
func TestAbandonedClaim(t *testing.T) {
	started(t, nil, func(r *rig) {
		k, _ := r.keyOf(create("e-1"))
		r.ledger.rows[k] = &fakeRow{claimed: true, history: retry.History{Attempts: 2}}
		again, _ := r.keyOf(status("e-2", 2))
		r.ledger.rows[again] = &fakeRow{claimed: true, repeat: true}
		r.produce(create("e-1"), status("e-2", 2))
		r.want("letters", r.letters.reasons(), []string{"e-1 outcome_unknown"})
		r.want("calls", r.caller.ids(), []string{"e-2"})
		if l := r.letters.list()[0]; l.Attempts != 3 || !l.Ambiguous || l.FirstFailedAt.IsZero() { // the one that was cut off counts
			t.Errorf("letter %+v", l)
		}
		if row, _ := r.ledger.row(k); row.state != "unknown" {
			t.Errorf("the ledger has %+v", row)
		}
	})
}

// The idempotent id: the data's own; where it has none, source and id of the event, joined with their lengths; per method
// and account.
func TestLedgerKeys(t *testing.T) {
	in(t, nil, func(r *rig) {
		tests := []struct {
			name string
			got  func() LedgerKey
			want LedgerKey
		}{
			{"source + id", func() LedgerKey { k, _ := r.keyOf(status("e-1", 1)); return k },
				LedgerKey{statusMethod, "default", "9:/wms/test3:e-1"}},
			{"of another account", func() LedgerKey { k, _ := r.keyOf(status("e-1", 1, ofAccount("other"))); return k },
				LedgerKey{statusMethod, "other", "9:/wms/test3:e-1"}},
			{"of the data", func() LedgerKey { k, _ := r.keyOf(create("o-1")); return k },
				LedgerKey{createMethod, "default", "2:JD3:o-1"}},
			{"of the data, whatever the event's id", func() LedgerKey {
				k, _ := r.keyOf(create("o-1", without("ce_id"), header("ce_id", "another")))
				return k
			}, LedgerKey{createMethod, "default", "2:JD3:o-1"}},
		}
		for _, tt := range tests {
			r.want(tt.name, tt.got(), tt.want)
		}
	})
}

// The derived idempotent id of the sync API is what the platform sees, and what the ledger knows it by.
func TestDerivedID(t *testing.T) {
	in(t, nil, func(r *rig) {
		record := status("ws-p02", 1, without("ce_type"), header("ce_type", "top.workorder.sync.v1"),
			without("ce_source"), header("ce_source", "/wms/hangzhou-1"), value(`{"provider_order_create_time":"2026-03-02 08:30:00",
			"provider_order_code":"1","provider_order_update_time":"2026-03-02 10:05:00","service_code":"a","provider_order_type":1,
			"biz_order_code":"b","biz_order_type":1}`))
		it := r.worker.decode(newPartition(Assignment{TopicPartition: part(0)}), record, time.Now())
		if it.defect != nil {
			t.Fatal(it.defect)
		}
		const derived = "f18c369bef6a171b1beb244c82a0d63e" // contract section 3
		r.want("the ledger's id", it.id.ID, derived)
		found := false
		for _, p := range it.payload.Params {
			found = found || p.Name == "work_order_sync_request" && strings.Contains(p.Value, `"idempotent_id":"`+derived+`"`)
		}
		if !found {
			t.Errorf("the derived id is not in the call: %v", it.payload.Params)
		}
	})
}
