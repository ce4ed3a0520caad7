package consumer

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// record makes an outcome durable, in the order that the promises need: what the ledger must know before anything else;
// the dead letter, acknowledged; the claim's end; the result. It returns the outcome to settle by: out, or one that is not
// settled, where something could not be written. Nothing here may be reordered.
func (w *Worker) record(ctx context.Context, it *item, out Outcome) Outcome {
	switch out.step {
	case ledgerDelivered, ledgerUnknown:
		if err := w.tell(ctx, it, out); err != nil {
			return w.untold(it, out, err)
		}
		out.step = ledgerNothing
	case ledgerFailed, ledgerRelease:
		if err := w.tell(ctx, it, out); err != nil {
			return w.untold(it, out, err)
		}
		out.step = ledgerNothing
	}
	if out.Kind == NotSettled {
		return out
	}
	if w.options.DryRun { // a shadow run leaves no trace of what it would have given up
		if out.step == ledgerLettered {
			out.step = ledgerRelease
		}
		if out.step == ledgerForget || out.step == ledgerRelease {
			if err := w.tell(ctx, it, out); err != nil {
				w.trouble.report("ledger", "the ledger did not free the id of a dead letter", err)
			}
		}
		return out
	}
	if out.Kind == DeadLettered && !out.lettered {
		err := w.letters.Write(ctx, letter(it, out))
		ctx = w.recordTime() // a letter that could not be written has used up its own
		if err != nil {
			w.trouble.report("dead_letter", "the dead-letter topic did not take a letter; nothing is committed past its event", err)
			return w.stuck(ctx, it, out, WaitDeadLetter)
		}
		out.lettered = true
		w.trouble.over("dead_letter", "the dead-letter topic takes letters again")
	}
	if out.step == ledgerForget || out.step == ledgerLettered {
		if err := w.tell(ctx, it, out); err != nil {
			w.trouble.report("ledger", "the ledger did not free the id of a dead letter", err)
			return w.stuck(ctx, it, out, WaitLedger)
		}
		out.step = ledgerNothing
	}
	if w.results != nil {
		if err := w.results.Write(ctx, result(it, out)); err != nil {
			w.trouble.report("result", "the results topic did not take a result; nothing is committed past its event", err)
			return w.stuck(ctx, it, out, WaitResult)
		}
		w.trouble.over("result", "the results topic takes results again")
	}
	return out
}

// tell carries out the ledger's step.
func (w *Worker) tell(ctx context.Context, it *item, out Outcome) error {
	var err error
	switch out.step {
	case ledgerDelivered:
		err = w.ledger.Delivered(ctx, it.id, out.token, it.content, it.success(out))
	case ledgerUnknown:
		h := out.History
		h.Origin = it.remember(out).text()
		err = w.ledger.Unknown(ctx, it.id, out.token, it.content, h)
	case ledgerFailed:
		err = w.ledger.Failed(ctx, it.id, out.token, out.History)
	case ledgerRelease:
		err = w.ledger.Release(ctx, it.id, out.token)
	case ledgerForget:
		err = w.ledger.Forget(ctx, it.id, out.token)
	case ledgerLettered:
		if h := it.letteredHistory(out); h.Ambiguous {
			err = w.ledger.Unknown(ctx, it.id, out.token, it.content, h)
		} else {
			err = w.ledger.Failed(ctx, it.id, out.token, h)
		}
	}
	if err == nil {
		w.ledgerWell()
	}
	return err
}

// untold is the outcome where the ledger did not take what a call brought. The event is not settled: a success that the
// ledger does not know would be sent again after a restart, and a claim that stays after a call that did not run would look
// like one of a call that may have. The outcome is kept, and the ledger is told again.
func (w *Worker) untold(it *item, out Outcome, err error) Outcome {
	if errors.Is(err, ErrClaimLost) {
		w.log.LogAttrs(context.Background(), slog.LevelWarn, "a claim ran out during its call", it.attrs(nil)...)
		if out.Kind == NotSettled { // there is no claim left to give back
			out.step = ledgerNothing
			return out
		}
		out.reclaim = true
		return w.keep(it, out, WaitBusy, w.soon(time.Time{}))
	}
	w.ledgerAway(err)
	return w.keep(it, out, WaitLedger, time.Now().Add(ledgerRetry))
}

// stuck is the outcome where a letter or a result could not be written: the outcome is kept, and the write is tried again.
func (w *Worker) stuck(ctx context.Context, it *item, out Outcome, reason WaitReason) Outcome {
	if out.step == ledgerForget || out.step == ledgerLettered { // the claim must not outlive the wait
		released := out
		released.step = ledgerFailed
		err := w.tell(ctx, it, released)
		if out.reclaim = err == nil || errors.Is(err, ErrClaimLost); !out.reclaim {
			w.trouble.report("ledger", "the ledger did not take a failed attempt", err)
		}
	}
	return w.keep(it, out, reason, time.Now().Add(writeRetry))
}

// keep remembers an outcome that could not be written in full.
func (w *Worker) keep(it *item, out Outcome, reason WaitReason, until time.Time) Outcome {
	it.given = &out
	return Outcome{Wait: reason, Until: until, History: out.History}
}

// settled counts and logs a settled event: one wide line.
func (w *Worker) settled(it *item, out Outcome) {
	now := time.Now()
	w.metrics.settled(it, out, now)
	if out.Kind == DeadLettered && it.calls > 0 {
		w.gate.Forget(it.scope(), it.key)
	}
	if w.observer != nil {
		w.observer.Settled(observed(it, out, now))
	}
	level := slog.LevelInfo
	if out.Kind == DeadLettered {
		level = slog.LevelWarn
	}
	if !w.log.Enabled(context.Background(), level) {
		return
	}
	var space [24]slog.Attr // so that the line costs one allocation
	attrs := append(it.attrs(space[:0]),
		slog.String("outcome", out.Kind.String()), slog.Int("attempts", out.attempts()), seconds("age", now.Sub(it.published()), time.Millisecond))
	if out.Called {
		attrs = append(attrs, seconds("duration", out.Reply.Duration, time.Microsecond), slog.String("request_id", out.Reply.RequestID))
	}
	if out.Reply.Code != "" {
		attrs = append(attrs, slog.String("code", out.Reply.Code), slog.String("sub_code", out.Reply.SubCode))
	}
	if out.Kind == DeadLettered {
		attrs = append(attrs, slog.String("reason", string(out.Reason)), slog.String("pointer", cut(out.Pointer, maxLogged)),
			slog.String("message", out.Message))
	}
	if w.options.DryRun {
		attrs = append(attrs, slog.Bool("dry_run", true))
	}
	if out.again {
		attrs = append(attrs, slog.Bool("again", true))
	}
	w.log.LogAttrs(context.Background(), level, "settled", attrs...)
}

// seconds is a time in seconds, rounded to a unit. Duration.Seconds adds the whole ones and the fraction as floats, so that
// 2813 ms would be logged as 2.8129999999999997.
func seconds(name string, d, unit time.Duration) slog.Attr {
	return slog.Float64(name, float64(d.Round(unit)/unit)/float64(time.Second/unit))
}

// attempts counts the attempts that were made, the last one included.
func (o Outcome) attempts() int {
	n := o.History.Attempts
	if o.Kind == Delivered && o.Called {
		n++
	}
	return n
}

// maxLogged bounds each text of a publisher in a log line, in bytes.
const maxLogged = 256

// attrs appends what names the event in a log line. Order ids are no personal data (reference of the platform: receiver,
// mobile and address are).
func (it *item) attrs(to []slog.Attr) []slog.Attr {
	to = append(to, slog.String("topic", it.record.Topic), slog.Int("partition", it.record.Partition), slog.Int64("offset", it.record.Offset))
	if it.event.ID != "" {
		to = append(to, slog.String("event_id", cut(it.event.ID, maxLogged)))
	}
	if it.event.Type != "" {
		to = append(to, slog.String("type", cut(it.event.Type, maxLogged)))
	}
	if it.typ != nil {
		to = append(to, slog.String("method", it.typ.Method))
		if it.event.Account != "" { // of an event that was not read it is not known
			to = append(to, slog.String("account", cut(it.event.Account, maxLogged)))
		}
		to = append(to, slog.String("key", cut(it.key, maxLogged)))
	}
	return to
}

// published is when the event was published: its own time, else the record's.
func (it *item) published() time.Time {
	if !it.event.Time.IsZero() {
		return it.event.Time
	}
	return it.record.Time
}

// letter is the dead letter of an event.
func letter(it *item, out Outcome) Letter {
	l := Letter{
		Record: &it.record, Reason: out.Reason, Pointer: out.Pointer, Message: out.Message,
		Type: it.event.Type, Key: it.key, EventID: it.event.ID, Account: it.event.Account,
		Code: out.Reply.Code, SubCode: out.Reply.SubCode, RequestID: out.Reply.RequestID,
		Attempts: out.attempts(), Ambiguous: out.History.Ambiguous,
		FirstFailedAt: out.History.FirstFailedAt, FailedAt: time.Now(),
	}
	if it.typ != nil {
		l.Method = it.typ.Method
	}
	return l
}

// result is what the results topic says about a settled event.
func result(it *item, out Outcome) Result {
	r := Result{
		Record: &it.record, EventID: it.event.ID, EventSource: it.event.Source, EventType: it.event.Type,
		Account: it.event.Account, Key: it.key, Outcome: out.Kind.String(), Reason: string(out.Reason),
		Code: out.Reply.Code, SubCode: out.Reply.SubCode, Message: out.Message, RequestID: out.Reply.RequestID,
		Attempts: out.attempts(), Reply: out.Fields,
	}
	if it.typ != nil {
		r.Method = it.typ.Method
	}
	return r
}
