package consumer

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
)

// NewMemory makes a memory ledger of internal/dedup; memory_test.go sets it.
var NewMemory func() Ledger

// The worker with a real ledger, in real time: the fake keeps the same rules.
func TestWithMemoryLedger(t *testing.T) {
	r := newRig(t, nil)
	r.worker.ledger = NewMemory()
	heard := make(chan Settled, 1000)
	r.worker.observer = toChannel(heard)
	entered, leave := make(chan struct{}), make(chan struct{})
	r.caller.answer(func(c fakeCall) top.Reply {
		switch {
		case c.id == "slow" && c.n == 1:
			close(entered)
			<-leave
		case c.id == "rejected" && c.n == 1:
			return refused()
		case c.id == "unknown":
			return ambiguous()
		}
		return accepted()
	})
	r.kafka.assign(part(0), part(1))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.worker.Run(ctx) }()

	await := func(n int) (outcomes []string) {
		t.Helper()
		deadline := time.After(time.Minute)
		for range n {
			select {
			case s := <-heard:
				outcomes = append(outcomes, fmt.Sprint(s.EventID, " ", s.Outcome, " ", s.Reason))
			case <-deadline:
				t.Fatalf("only %v were settled", outcomes)
			}
		}
		slices.Sort(outcomes)
		return outcomes
	}
	send := func(p int, records ...event.Record) { r.kafka.append(part(p), records...) }

	send(0, status("e-1", 1))
	r.want("delivered", await(1), []string{"e-1 delivered "})
	send(1, status("e-1", 1))
	r.want("delivered again", await(1), []string{"e-1 duplicate "})
	send(0, status("e-1", 1, value(`{"logistics_order_id":1,"status_code":"cancel"}`)))
	r.want("another content", await(1), []string{"e-1 dead_lettered idempotency_conflict"})
	send(0, status("rejected", 2), status("rejected", 2, value(`{"logistics_order_id":2,"status_code":"create","express_company":"mended"}`)))
	r.want("rejected, then corrected", await(2), []string{"rejected dead_lettered rejected", "rejected delivered "})
	send(0, status("slow", 3))
	<-entered
	send(1, status("slow", 3))
	close(leave)
	r.want("delivered in flight", await(2), []string{"slow delivered ", "slow duplicate "})
	send(0, create("unknown"))
	r.want("unknown", await(1), []string{"unknown dead_lettered outcome_unknown"})
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	r.check()
}

type toChannel chan Settled

func (c toChannel) Settled(s Settled)   { c <- s }
func (c toChannel) Attempted(Attempted) {}
