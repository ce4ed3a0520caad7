package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/retry"
)

const (
	// leaseMargin is what a claim may last beyond the call's time-out (contract section 7, promise 5).
	leaseMargin = 5 * time.Second
	// recordTimeout bounds the writes that record one outcome.
	recordTimeout = 15 * time.Second
	// claimTimeout bounds a claim: whoever waits for one holds a permit, and a ledger that hangs must be said.
	claimTimeout = 5 * time.Second
	ledgerRetry  = time.Second
	// refusedRetry is how often a ledger is asked that gives no claims for a method. An operator decides when it does again.
	refusedRetry = 5 * time.Second
	writeRetry   = time.Second
	// busyRetry is how often the id of another event's call is looked at.
	busyRetry = 100 * time.Millisecond
)

// job is one attempt to make.
type job struct {
	lane   *lane
	item   *item
	permit *retry.Permit
}

// hand gives an attempt to a goroutine. The schedule never has more attempts under way than jobs has places.
func (w *Worker) hand(j job) {
	if w.idle.Add(-1) < 0 {
		w.idle.Add(1)
		w.workers.Go(w.work)
	}
	w.jobs <- j
}

// work makes attempts until the worker stops. Its goroutine is kept, with the stack that a call has grown.
func (w *Worker) work() {
	for j := range w.jobs {
		w.make(j)
		w.idle.Add(1)
	}
}

// make makes one attempt, records its outcome, and gives the lane back.
func (w *Worker) make(j job) {
	ctx := *w.attempts.Load()
	it := j.item
	out := w.attempt(ctx, it, j.permit)
	// What an attempt found out is recorded even where the drain's time is over.
	out = w.record(w.recordTime(), it, out)
	if out.Kind != NotSettled {
		w.settled(it, out)
	} else if w.observer != nil && out.Wait == WaitRetry && out.Called {
		w.observer.Attempted(attempted(it, out))
	}
	w.schedule.finish(j.lane, out)
}

// recordTime bounds the writes that record an outcome, from now on.
func (w *Worker) recordTime() context.Context {
	return w.recording.in(context.Background(), time.Now())
}

func attempted(it *item, out Outcome) Attempted {
	return Attempted{
		Type: it.typeLabel(), Key: it.key, Class: out.Reply.Class.String(), Code: out.Reply.Code, SubCode: out.Reply.SubCode,
		Attempts: out.History.Attempts, Wait: time.Until(out.Until),
	}
}

// giveBack returns a permit that was not used for a call.
func (w *Worker) giveBack(permit *retry.Permit) {
	if permit != nil {
		permit.Unused()
	}
}

// claim asks the ledger for the right to make one attempt. Where the answer comes too late, the ledger takes the claim back
// by itself.
func (w *Worker) claim(ctx context.Context, it *item) (Claim, error) {
	bounded := w.claiming.in(ctx, time.Now())
	claim, err := w.ledger.Claim(bounded, w.claimRequest(it))
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("no answer within %v: %w", claimTimeout, err)
	}
	return claim, err
}

// noLedger is the outcome where the ledger does not answer: no calls.
func (w *Worker) noLedger(ctx context.Context, it *item, err error) Outcome {
	if ctx.Err() != nil {
		return wait(WaitShutdown, time.Time{})
	}
	if errors.Is(err, ErrClaimRefused) { // the ledger is there, and others get their claims
		w.ledgerWell()
		w.trouble.report(claimsOf(it), "the ledger gives no claims for a method; its events wait", err, "method", it.typ.Method)
		return wait(WaitLedger, time.Now().Add(refusedRetry))
	}
	w.ledgerAway(err)
	return wait(WaitLedger, time.Now().Add(ledgerRetry))
}

// ledgerAway stops all attempts for a moment: without the ledger there are no calls.
func (w *Worker) ledgerAway(err error) {
	w.trouble.report("ledger", "the ledger does not answer; no calls are made", err)
	w.schedule.away(time.Now().Add(ledgerRetry))
}

// claimsOf is the kind of trouble that a method has which gets no claims.
func claimsOf(it *item) string { return "claims of " + it.typ.Method }

// claimGiven notes that the ledger answers, also about the method of it.
func (w *Worker) claimGiven(it *item) {
	w.ledgerWell()
	if !w.trouble.quiet() {
		w.trouble.over(claimsOf(it), "the ledger gives claims for the method again", "method", it.typ.Method)
	}
}

func (w *Worker) ledgerWell() {
	w.trouble.over("ledger", "the ledger answers again")
	w.schedule.back()
}

// soon is when a busy id is looked at again.
func (w *Worker) soon(until time.Time) time.Time {
	now := time.Now()
	if at := now.Add(busyRetry); !until.After(now) || until.After(at) {
		return at
	}
	return until
}
