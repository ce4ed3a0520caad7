package dedup

import (
	"context"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// Delivered records the success. One of more than 4 KiB is left out.
func (l *ledger) Delivered(ctx context.Context, k consumer.LedgerKey, token uint64, c consumer.Content, reply []byte) error {
	return l.complete(ctx, opDelivered, k, token, row{state: stateDelivered, content: contentOf(c), reply: keptReply(reply)})
}

// Unknown records that a call may have run and that nobody knows.
func (l *ledger) Unknown(ctx context.Context, k consumer.LedgerKey, token uint64, c consumer.Content, h retry.History) error {
	return l.complete(ctx, opUnknown, k, token, row{state: stateUnknown, content: contentOf(c), history: normal(h)})
}

// Failed gives the claim back and keeps the history. A claim that was answered with AnswerAbandoned stays so.
func (l *ledger) Failed(ctx context.Context, k consumer.LedgerKey, token uint64, h retry.History) error {
	return l.complete(ctx, opFailed, k, token, row{state: stateReleased, history: normal(h)})
}

// Release gives the claim back and leaves everything as it was before.
func (l *ledger) Release(ctx context.Context, k consumer.LedgerKey, token uint64) error {
	return l.complete(ctx, opRelease, k, token, row{})
}

// Forget drops the id.
func (l *ledger) Forget(ctx context.Context, k consumer.LedgerKey, token uint64) error {
	return l.complete(ctx, opForget, k, token, row{})
}

// complete ends a claim in the way that o says, with r as what stays.
func (l *ledger) complete(ctx context.Context, o operation, lk consumer.LedgerKey, token uint64, r row) error {
	start := time.Now()
	err := l.completeClaim(ctx, o, keyOf(lk), token, r)
	l.observe(start, o, err)
	if err != nil {
		return fmt.Errorf("ledger %s: %w", o, err)
	}
	return nil
}

func (l *ledger) completeClaim(ctx context.Context, o operation, k key, token uint64, r row) error {
	if err := l.ready(ctx); err != nil {
		return err
	}
	op, err := l.beginCompletion(o, k, token, r)
	if err != nil || op == nil {
		return err
	}
	if err := l.rows.write(ctx, op); err != nil {
		l.finishWrite(op, err)
		return err
	}
	select {
	case <-op.done:
		err := op.err
		writes.Put(op)
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.rows.stopped():
	}
	select {
	case <-op.done: // it was the last thing that the store did
		return op.err
	default:
		return ErrClosed
	}
}

// beginCompletion checks the token and says what has to be written: nil where nothing has to, and the claim is over.
func (l *ledger) beginCompletion(o operation, k key, token uint64, r row) (*write, error) {
	s := l.claims.lock(k)
	defer s.Unlock()
	e := s.entries[k]
	switch {
	case e == nil || e.token != token || e.phase < phaseHeld:
		return nil, consumer.ErrClaimLost
	case e.phase == phaseCompleting:
		return nil, errCompleting
	}
	var remove bool
	switch o {
	case opFailed:
		switch {
		case e.abandoned:
			r.state = stateClaimed
		case e.unknown.set:
			r.state, r.content = stateUnknown, e.unknown
		}
	case opRelease:
		if !e.durable || e.abandoned {
			l.leave(s, e)
			return nil, nil
		}
		r, remove = before(e)
	case opForget:
		if !e.known {
			l.leave(s, e)
			return nil, nil
		}
		remove = true
	}
	r.scope, r.at = e.scope, l.now().Unix()
	e.phase = phaseCompleting
	op := newWrite(e, writeResult, r)
	op.remove = remove
	return op, nil
}

// before is the row that e had before it was claimed: unknown, its history, or none.
func before(e *entry) (r row, remove bool) {
	if e.unknown.set {
		return row{state: stateUnknown, content: e.unknown, history: e.history}, false
	}
	if e.history == (retry.History{}) {
		return row{}, true
	}
	return row{state: stateReleased, history: e.history}, false
}

// finishWrite is called by the rows when op is durable (err is nil) or has failed. It may return another write, which
// gives back a claim that nobody waits for; the rows carry it out as well.
func (l *ledger) finishWrite(op *write, err error) (follow *write) {
	e := op.entry
	s := l.claims.lock(e.key)
	op.err = err
	switch {
	case op.kind == writeResult && err != nil:
		e.phase = phaseHeld // the holder may try again
	case op.kind != writeClaim || err != nil:
		l.leave(s, e)
	case e.orphaned && e.abandoned:
		l.leave(s, e) // the row says claimed, and that is what the next claim must find
	case e.orphaned:
		e.known, e.durable, e.phase = true, true, phaseCompleting
		r, remove := before(e)
		r.scope, r.at = e.scope, l.now().Unix()
		follow = newWrite(e, writeGiveBack, r)
		follow.remove = remove
	default:
		e.known, e.durable = true, true
		op.claim = e.grant(l.now())
	}
	op.finished = true
	s.Unlock()
	op.done <- struct{}{}
	return follow
}
