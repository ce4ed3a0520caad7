package consumer

import (
	"context"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// A claim that ran out during its call: the success is recorded under a new one, and the call is not made again.
func TestClaimLost(t *testing.T) {
	started(t, nil, func(r *rig) {
		k, _ := r.keyOf(status("e-1", 1))
		r.caller.lasting(func(fakeCall) time.Duration { return 20 * time.Second }) // the lease is 15 s
		r.produce(status("e-1", 1))
		r.pass(16 * time.Second)
		r.ledger.mu.Lock() // a successor takes over, and gives up at once
		r.ledger.rows[k].claimed, r.ledger.rows[k].token = false, 99
		r.ledger.mu.Unlock()
		r.pass(10 * time.Second)
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		r.want("calls", len(r.caller.all()), 1)
		if row, _ := r.ledger.row(k); row.state != "delivered" {
			t.Errorf("ledger %+v", row)
		}
		if len(r.logs.with(t, "a claim ran out during its call")) != 1 {
			t.Error("it was not said")
		}
	})
}

// The same, and the successor is still at it: the event waits for what the successor finds.
func TestClaimLostToOneThatDelivers(t *testing.T) {
	started(t, func(s *setup) { s.repeats = true }, func(r *rig) {
		k, c := r.keyOf(status("e-1", 1))
		r.caller.lasting(func(fakeCall) time.Duration { return 20 * time.Second })
		r.produce(status("e-1", 1))
		r.pass(16 * time.Second)
		claim, err := r.ledger.Claim(t.Context(), ClaimRequest{Key: k, Content: c, Lease: 10 * time.Second, Repeatable: true})
		if err != nil || claim.Answer != AnswerMine {
			t.Fatal(claim, err)
		}
		r.pass(5 * time.Second)
		r.want("settled", r.results.outcomes(), []string{})
		r.metric(`toprelay_keys_waiting{reason="busy"}`, 1)
		if err := r.ledger.Delivered(t.Context(), k, claim.Token, c, nil); err != nil {
			t.Fatal(err)
		}
		r.pass(time.Second)
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		r.want("calls", len(r.caller.all()), 1)
	})
}

// A failed attempt whose claim ran out has nothing to give back: the event goes on with its next try.
func TestClaimLostByAFailedAttempt(t *testing.T) {
	started(t, nil, func(r *rig) {
		k, _ := r.keyOf(status("e-1", 1))
		r.caller.lasting(func(c fakeCall) time.Duration {
			if c.n == 1 {
				return 20 * time.Second
			}
			return 0
		})
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.n == 1 {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("e-1", 1))
		r.pass(16 * time.Second)
		r.ledger.mu.Lock() // a successor takes over, and gives up at once
		r.ledger.rows[k].claimed, r.ledger.rows[k].token = false, 99
		r.ledger.mu.Unlock()
		r.pass(4500 * time.Millisecond)
		r.metric(`toprelay_keys_waiting{reason="retry"}`, 1)
		r.pass(time.Second)
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		r.want("attempts", r.results.list()[0].Attempts, 2)
		r.want("claims", r.ledger.count("claim"), 2)
	})
}

// A dead letter that cannot be written gives its claim back, which may have run out by then: it claims again, and the letter
// is written once.
func TestClaimLostByALetterThatWaits(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(fakeCall) top.Reply { return refused() })
		r.letters.failing(errAway)
		k, _ := r.keyOf(status("e-1", 1))
		lost := false
		r.ledger.failing(func(op string) error {
			if op == "failed" && !lost { // it ran out, and a successor gave up at once
				lost, r.ledger.rows[k].claimed = true, false
				return ErrClaimLost
			}
			return nil
		})
		r.produce(status("e-1", 1))
		r.pass(10 * time.Second)
		r.letters.failing(nil)
		r.pass(5 * time.Second)
		r.want("settled", r.results.outcomes(), []string{"e-1 dead_lettered"})
		r.want("letters", r.letters.reasons(), []string{"e-1 rejected"})
		r.want("calls", len(r.caller.all()), 1)
		if n := len(r.logs.with(t, "the ledger did not take a failed attempt")); n != 0 {
			t.Errorf("a claim that is lost was said to be the ledger's trouble %d times", n)
		}
	})
}

// A letter that hangs for as long as it may leaves the ledger its own time: the claim is given back.
func TestLetterThatHangsLeavesTheLedgerItsTime(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.worker.ledger = punctual{r.ledger}
		r.caller.answer(func(fakeCall) top.Reply { return refused() })
		hang := make(chan struct{})
		r.letters.mu.Lock()
		r.letters.hang = hang
		r.letters.mu.Unlock()
		r.produce(status("e-1", 1))
		r.pass(recordTimeout + 2*time.Second)
		if n := len(r.logs.with(t, "the ledger did not take a failed attempt")); n != 0 {
			t.Errorf("the ledger had no time, it was said %d times", n)
		}
		close(hang)
		r.pass(recordTimeout + 5*time.Second)
		r.want("settled", r.results.outcomes(), []string{"e-1 dead_lettered"})
	})
}

// punctual is a ledger that does nothing once its time is over.
type punctual struct{ Ledger }

func (p punctual) Failed(ctx context.Context, k LedgerKey, token uint64, h retry.History) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return p.Ledger.Failed(ctx, k, token, h)
}
