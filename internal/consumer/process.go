package consumer

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// decode reads a record and finds its type, account, key and call. What is wrong with the event becomes its defect; the
// order of the checks is the contract's (section 3): size, envelope, type, account, expiry, data.
func (w *Worker) decode(p *partition, record event.Record, now time.Time) *item {
	it := &item{record: record, partition: p, fetched: now}
	it.size = it.record.Size() + itemOverhead
	var defect *event.Defect
	it.event, defect = w.decoder.Decode(&it.record)
	data := it.event.Data
	it.event.Data = nil
	it.typ, _ = w.catalogue.Type(it.event.Type) // of an event that cannot be read too: it is counted under its type
	if defect != nil {
		it.defect = defect
		return it
	}
	if it.typ == nil {
		it.defect = &event.Defect{Reason: event.ReasonUnknownType, Message: "the type is not in the catalogue: see `worker schemas list`"}
		return it
	}
	// What comes before the data decides, and the data is read all the same: the letter names the event's key.
	var early *event.Defect
	if it.account = w.accounts[it.event.Account]; it.account == nil {
		early = unknownAccount(it.event.Account)
	} else if it.expired(now) {
		early = expiredDefect()
	}
	if it.event.DataDefect != nil {
		it.defect = cmp.Or(early, it.event.DataDefect)
		return it
	}
	checked, violation := it.typ.Check(data, w.unknownFields[it.typ.Name])
	it.key = checked.Key
	if it.account == nil {
		it.defect = early
		return it
	}
	if violation == nil {
		it.content = Content{Version: schemas.CanonicalVersion, Hash: checked.Content}
		it.id = w.ledgerKey(it, checked)
		it.payload, violation = encode(it.typ, checked.Data)
	}
	if violation != nil {
		it.defect = cmp.Or(early, &event.Defect{Reason: event.ReasonInvalidData, Pointer: violation.Pointer, Message: violation.Message})
		return it
	}
	if checked.Dropped > 0 {
		w.metrics.fieldsDropped.WithLabelValues(it.typ.Name).Add(float64(checked.Dropped))
	}
	if string(it.record.Key) != it.key {
		w.metrics.keyMismatch.WithLabelValues(it.record.Topic).Inc()
	}
	return it
}

// attempt makes one attempt at an event: claim → call → outcome. The order of the steps is correctness: no call without a
// claim, no claim without the gate's permit, and the slot goes back when the reply is there, not when it is recorded.
// permit is nil where no call is needed.
func (w *Worker) attempt(ctx context.Context, it *item, permit *retry.Permit) Outcome {
	if it.defect != nil {
		return giveUp(*it.defect)
	}
	if it.given != nil {
		return w.resume(ctx, it)
	}
	defer w.giveBack(permit) // does nothing once the permit is done

	claim, err := w.claim(ctx, it)
	if err != nil {
		return w.noLedger(ctx, it, err)
	}
	w.claimGiven(it)
	if out, answered := w.answer(it, claim); answered {
		return out
	}
	if it.expired(time.Now()) {
		return w.giveUpClaimed(it, claim.Token, *expiredDefect())
	}
	if it.due.After(time.Now()) {
		out := wait(WaitRetry, it.due)
		out.step, out.token = ledgerRelease, claim.Token
		return out
	}
	if w.options.DryRun {
		return Outcome{Kind: Delivered, History: it.history, step: ledgerDelivered, token: claim.Token}
	}
	if permit == nil { // it expired in its queue but not by the clock that counts: the gate decides as for any other
		out := wait(WaitGate, time.Time{})
		out.step, out.token = ledgerRelease, claim.Token
		return out
	}
	if it.calls == 0 {
		it.waited = time.Since(it.fetched)
	}
	reply := w.caller.Call(ctx, it.account, it.typ, it.payload)
	return w.judge(it, claim.Token, permit, reply)
}

// answer turns every answer of the ledger but AnswerMine into an outcome.
func (w *Worker) answer(it *item, claim Claim) (Outcome, bool) {
	// Also where it was claimed before: another worker may have settled it while this one slept.
	if out, again := it.again(claim); again {
		return out, true
	}
	switch claim.Answer {
	case AnswerMine:
		if it.loaded {
			it.history = merged(it.history, claim.History)
			return Outcome{}, false
		}
		it.history, it.loaded = claim.History, true
		it.mark, it.due = w.gate.Active(it.scope()), w.nextTry(it, time.Now())
		return Outcome{}, false
	case AnswerDelivered:
		if claim.Conflict {
			return giveUp(event.Defect{Reason: event.ReasonIdempotencyConflict, Message: "its idempotent id was delivered before with another content"}), true
		}
		return Outcome{Kind: Duplicate, Fields: recall(claim.Reply).reply}, true
	case AnswerUnknown:
		own := recallText(claim.History.Origin)
		readAgain := own.isOf(it.recordID()) // its letter may not be acknowledged
		if claim.Conflict && !readAgain {
			return giveUp(event.Defect{Reason: event.ReasonIdempotencyConflict, Message: "its idempotent id was sent before with another content, and whether that ran is not known"}), true
		}
		out := giveUp(event.Defect{Reason: event.ReasonOutcomeUnknown, Message: "an earlier call with its idempotent id may have run, and the method must not be repeated"})
		if readAgain {
			out.Reply, out.Message = own.outcome().Reply, cmp.Or(own.message, out.Message)
			out.History = claim.History
		}
		out.History.Ambiguous = true
		return out, true
	case AnswerAbandoned:
		out := giveUp(event.Defect{Reason: event.ReasonOutcomeUnknown, Message: "the worker stopped during an earlier call, which may have run, and the method must not be repeated"})
		out.History = claim.History
		out.History.Ambiguous = true
		out.History.Attempts++
		failedAt(&out.History, time.Now())
		out.step, out.token = ledgerUnknown, claim.Token
		return out, true
	case AnswerBusy:
		return wait(WaitBusy, w.soon(claim.BusyUntil)), true
	default:
		return w.noLedger(context.Background(), it, fmt.Errorf("the ledger gave no answer (%d)", claim.Answer)), true
	}
}

// resume goes on with an event whose outcome is known and could not be written. Where its claim is over it claims again,
// so that the ledger takes the outcome; no call is made.
func (w *Worker) resume(ctx context.Context, it *item) Outcome {
	out := *it.given
	if !out.reclaim {
		it.given = nil // unless it cannot be written again
		return out
	}
	claim, err := w.claim(ctx, it)
	switch {
	case err != nil:
		return w.noLedger(ctx, it, err)
	case claim.Answer == AnswerBusy:
		return wait(WaitBusy, w.soon(claim.BusyUntil))
	case claim.Answer == AnswerMine || claim.Answer == AnswerAbandoned:
		out.token = claim.Token
	default: // settled by another one meanwhile: nothing is left to tell
		out.step, out.token = ledgerNothing, 0
	}
	out.reclaim, it.given = false, nil
	return out
}

// giveUpClaimed is the outcome of an event that expires while its id is claimed: without an attempt its id is forgotten, and
// with an ambiguous one it stays unknown (contract section 7, promise 5). The letters of other records are not forgotten.
func (w *Worker) giveUpClaimed(it *item, token uint64, d event.Defect) Outcome {
	out := giveUp(d)
	out.History, out.token = it.history, token
	out.step = ledgerForget
	if it.history.Attempts > 0 || it.history.Ambiguous || it.history.Lettered != "" {
		out.step = it.letteredStep(it.history)
	}
	return out
}

// merged adds what another record of the same id has left in the ledger meanwhile: a call of it may have run.
func merged(own, stored retry.History) retry.History {
	own.Ambiguous = own.Ambiguous || stored.Ambiguous
	own.ParseRetried = own.ParseRetried || stored.ParseRetried
	own.Attempts = max(own.Attempts, stored.Attempts)
	own.Lettered = stored.Lettered
	if first := stored.FirstFailedAt; !first.IsZero() && (own.FirstFailedAt.IsZero() || first.Before(own.FirstFailedAt)) {
		own.FirstFailedAt = first
	}
	return own
}

// nextTry is when an event that failed in an earlier life of the worker, or before a rebalance, may be tried again. A clock
// that was set back makes it wait no longer than one delay.
func (w *Worker) nextTry(it *item, now time.Time) time.Time {
	if it.history.Attempts == 0 {
		return time.Time{}
	}
	d := delay(w.policy(it.typ.Method), it.history.Attempts)
	if it.history.LastAttemptAt.After(now) {
		return now.Add(d)
	}
	return it.history.LastAttemptAt.Add(d)
}

func (w *Worker) claimRequest(it *item) ClaimRequest {
	return ClaimRequest{
		Key: it.id, Content: it.content, Repeatable: it.typ.Repeatable,
		Lease: w.timeout(it.typ.Method) + leaseMargin,
	}
}

// ledgerKey is the idempotent id of an event: the data's own where its type has one, else source + id.
func (w *Worker) ledgerKey(it *item, checked schemas.Checked) LedgerKey {
	id := checked.ID
	if id == "" {
		id = schemas.JoinParts(it.event.Source, it.event.ID)
		if it.typ.IDWrite != "" { // the derived id is what the platform sees
			id = schemas.DerivedID(it.event.Source, it.event.ID)
			checked.Data[it.typ.IDWrite] = id
		}
	}
	return LedgerKey{Method: it.typ.Method, Account: it.event.Account, ID: id}
}

// encode turns data into the call. What cannot be encoded is the event's own fault.
func encode(typ *schemas.Type, data map[string]any) (top.Payload, *schemas.Violation) {
	payload, err := top.Encode(typ, data)
	if err != nil {
		return top.Payload{}, &schemas.Violation{Message: err.Error()}
	}
	return payload, nil
}

func (it *item) scope() retry.Scope {
	return retry.Scope{Account: it.event.Account, AppKey: it.account.AppKey, Method: it.typ.Method}
}

func (it *item) expired(now time.Time) bool {
	return !it.event.Expiry.IsZero() && now.After(it.event.Expiry)
}

func expiredDefect() *event.Defect {
	return &event.Defect{Reason: event.ReasonExpired, Message: "its expirytime is past"}
}

// maxAccountNamed bounds how much of an unknown account's name a message shows, in bytes.
const maxAccountNamed = 64

func unknownAccount(name string) *event.Defect {
	return &event.Defect{
		Reason:  event.ReasonUnknownAccount,
		Message: fmt.Sprintf("topaccount names %q, which is not configured under top.accounts", cut(name, maxAccountNamed)),
	}
}
