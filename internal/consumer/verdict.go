package consumer

import (
	"fmt"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// sparedTries is how many more tries an event has after another key passed where it was refused (contract section 5,
// "Whose fault is it?").
const sparedTries = 3

// judge turns the reply to a call into the event's outcome, and tells the gate what it says about the world. It gives the
// slot back before anything is recorded.
func (w *Worker) judge(it *item, token uint64, permit *retry.Permit, reply top.Reply) Outcome {
	now := time.Now()
	w.metrics.called(it, reply)
	w.hear(it.typ, reply)
	it.calls++
	end := permit.Done(report(reply, it.history))
	w.schedule.kick()

	out := Outcome{Reply: reply, Called: true, token: token}
	h := it.history
	switch reply.Class {
	case top.ClassOK:
		out.Kind, out.step = Delivered, ledgerDelivered
		out.Fields = replyJSON(it.typ, reply.Fields)

	case top.ClassRejected:
		if end.Hold { // a storm of rejections: the scope pauses, and this event waits with the others
			out.hold()
			break
		}
		return w.reject(it, out, reply)

	case top.ClassThrottled:
		out.hold()

	case top.ClassSession, top.ClassMisconfigured:
		if !end.Tried || end.Hold {
			out.hold() // the gate parks its key, or the scope
			break
		}
		h.Spared++
		if h.Spared >= sparedTries {
			it.history = h
			return w.reject(it, out, reply)
		}
		h.Attempts++
		failedAt(&h, now)
		out.retry(now.Add(w.policy(it.typ.Method).Delay(h.Spared)))

	case top.ClassTransient, top.ClassAmbiguous:
		if reply.RetryOnce { // the platform could not read the parameters: once by accident, twice by the event
			if h.ParseRetried && end.Hold {
				out.hold()
				break
			}
			if h.ParseRetried {
				return w.reject(it, out, reply)
			}
			h.ParseRetried = true
			h.Attempts++
			failedAt(&h, now)
			out.retry(now.Add(w.policy(it.typ.Method).Delay(1)))
			break
		}
		if reply.Class == top.ClassAmbiguous && !it.typ.Repeatable {
			out.give(event.ReasonOutcomeUnknown, "the call may have run and must not be repeated: "+w.words(it, reply))
			h.Attempts++
			h.Ambiguous = true
			out.step = ledgerUnknown
			failedAt(&h, now)
			break
		}
		h.Ambiguous = h.Ambiguous || (reply.Written && !reply.NothingRan && !reply.Definite)
		if end.Free { // an open breaker and a pause spend no attempt
			out.retry(now)
			break
		}
		return w.failed(it, permit, out, h, now, reply)

	default: // cancelled by the drain
		out.Wait, out.step = WaitShutdown, ledgerRelease
		switch {
		case !reply.Written:
		case !it.typ.Repeatable:
			out.step = ledgerKeep // the successor finds the claim without a result
		case !h.Ambiguous: // costs no attempt, but that it may have run must not be forgotten
			h.Ambiguous, out.step = true, ledgerFailed
		}
	}
	it.history = h
	out.History = h
	return out
}

// failed counts a failed attempt and decides between another one and giving up, which needs evidence (contract section 6).
func (w *Worker) failed(it *item, permit *retry.Permit, out Outcome, h retry.History, now time.Time, reply top.Reply) Outcome {
	policy := w.policy(it.typ.Method)
	before := h.LastAttemptAt
	active := w.gate.Active(it.scope())
	if h.Attempts > 0 {
		h.Active += active - it.mark
	}
	it.mark = active
	h.Attempts++
	failedAt(&h, now)
	it.history = h
	out.History = h
	// One attempt is no evidence: there is no time between two, in which another key could have passed.
	if policy.Exhausted(h, !before.IsZero() && permit.Witness(before)) {
		out.give(event.ReasonRetriesExhausted, fmt.Sprintf("gave up after %d attempts since %s while others of its method passed; the last: %s",
			h.Attempts, h.FirstFailedAt.UTC().Format(time.RFC3339), w.words(it, reply)))
		out.step = it.letteredStep(h)
		return out
	}
	out.retry(now.Add(delay(policy, h.Attempts)))
	return out
}

// delay is how long to wait after the attempt-th failed one. An event that goes on only for want of evidence makes one try
// each max_interval.
func delay(p retry.Policy, attempt int) time.Duration {
	if attempt >= p.MaxAttempts {
		return p.MaxInterval
	}
	return p.Delay(attempt)
}

// reject is the outcome of a reply that blames the event.
func (w *Worker) reject(it *item, out Outcome, reply top.Reply) Outcome {
	out.give(event.ReasonRejected, w.words(it, reply))
	out.History = it.history
	out.History.Attempts++
	failedAt(&out.History, time.Now())
	out.step = it.letteredStep(it.history)
	return out
}

// letteredStep is what the ledger is told of a dead letter after a call. Where the call may have run and must not be
// repeated it is told before the letter is written, and for good.
func (it *item) letteredStep(h retry.History) ledgerStep {
	if h.Ambiguous && !it.typ.Repeatable {
		return ledgerUnknown
	}
	return ledgerLettered
}

func failedAt(h *retry.History, now time.Time) {
	if h.FirstFailedAt.IsZero() {
		h.FirstFailedAt = now
	}
	h.LastAttemptAt = now
}

// retry waits until due and keeps the history.
func (o *Outcome) retry(due time.Time) { o.Wait, o.Until, o.step = WaitRetry, due, ledgerFailed }

// hold waits for the gate and costs nothing.
func (o *Outcome) hold() { o.Wait, o.step = WaitGate, ledgerRelease }

// give makes it a dead letter.
func (o *Outcome) give(reason event.Reason, message string) {
	o.Kind, o.Reason, o.Message = DeadLettered, reason, message
}

// report is what a reply says about the world.
func report(reply top.Reply, h retry.History) retry.Report {
	r := retry.Report{
		Wait: reply.Wait, Immediate: reply.Immediate, Level: level(reply.Scope), Detail: detail(reply), Advice: reply.Advice, Last: h.Spared+1 >= sparedTries,
	}
	switch reply.Class {
	case top.ClassOK:
		r.Kind = retry.KindSuccess
	case top.ClassRejected:
		r.Kind = retry.KindRejected
	case top.ClassThrottled:
		r.Kind = retry.KindThrottled
	case top.ClassSession:
		r.Kind = retry.KindSession
	case top.ClassMisconfigured:
		r.Kind = retry.KindMisconfigured
	case top.ClassTransient, top.ClassAmbiguous:
		r.Kind = retry.KindFailure
		if reply.RetryOnce && h.ParseRetried {
			r.Kind = retry.KindRejected
		}
		r.Ambiguous = reply.Class == top.ClassAmbiguous
	default:
		r.Kind = retry.KindCancelled
	}
	return r
}

func level(s top.Scope) retry.Level {
	switch s {
	case top.ScopeAppKey:
		return retry.LevelAppKey
	case top.ScopeMethod:
		return retry.LevelMethod
	case top.ScopeAppKeyMethod:
		return retry.LevelAppKeyMethod
	case top.ScopeAccount:
		return retry.LevelAccount
	default:
		return retry.LevelAccountMethod
	}
}

// detail names the reply's code for a log line: no text of the platform, which may echo personal data.
func detail(reply top.Reply) string {
	switch {
	case reply.Code != "" && reply.SubCode != "":
		return reply.Code + " " + reply.SubCode
	case reply.Code != "":
		return reply.Code
	case reply.SubCode != "":
		return reply.SubCode
	case reply.Err != nil:
		return reply.Err.Error()
	case reply.Class == top.ClassRejected:
		return "the reply says success=false and gives no code"
	case reply.Status != 0:
		return fmt.Sprintf("HTTP %d", reply.Status)
	default:
		return ""
	}
}

// maxMessage bounds the message of a dead letter, in bytes (contract section 8).
const maxMessage = 1024

// words says in one line what a reply said, with personal data and secrets masked, and cut.
func (w *Worker) words(it *item, reply top.Reply) string {
	var b strings.Builder
	b.WriteString(detail(reply))
	if reply.Message != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(reply.Message)
	}
	return cut(w.mask(it, b.String()), maxMessage)
}
