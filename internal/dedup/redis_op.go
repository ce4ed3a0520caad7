package dedup

import (
	"context"
	"sync/atomic"
	"time"
)

// rop is one call of a script on its way to the server and back.
type rop struct {
	script  *script
	key     string
	args    []any  // of the script
	before  int    // the index in args of the time after which a claim must not be given; 0: it is none
	durable bool   // replicas must have it, where some are asked for
	once    bool   // a claim that must be right about the epoch
	giver   bool   // gives back a claim; nobody waits for it
	owned   uint64 // the token of a claim

	limit time.Time // when its caller goes away
	again bool      // a claim that was late by another clock, and is tried with the right one

	state atomic.Uint32 // ropQueued …
	reply any
	err   error
	done  chan struct{}
}

// The states of an operation. Who changes one decides: the sender, or the caller that goes away.
const (
	ropQueued   = iota
	ropSent     // it may have been carried out
	ropAnswered // reply and err are set
	ropGone     // the caller did not wait
)

// do queues op and waits for its end. An error says that nothing was acknowledged. A caller that goes away before the end
// leaves no claim: it was not sent, or is given back.
func (s *Redis) do(ctx context.Context, op *rop) error {
	op.limit, op.done = time.Now().Add(s.opts.Redis.Timeout), make(chan struct{}, 1)
	timer := time.NewTimer(s.opts.Redis.Timeout)
	defer timer.Stop()
	var gone error
	select {
	case s.queue <- op:
		select {
		case <-op.done:
			return op.err
		case <-ctx.Done():
			gone = ctx.Err()
		case <-timer.C:
			gone = errNoAnswer(s.opts.Redis.Timeout)
		case <-s.ended:
			gone = ErrClosed
		}
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errNoAnswer(s.opts.Redis.Timeout)
	case <-s.closing:
		return ErrClosed
	}
	if op.state.CompareAndSwap(ropQueued, ropGone) || op.state.CompareAndSwap(ropSent, ropGone) {
		return gone
	}
	<-op.done // both at once: the answer is there
	return op.err
}

// finish gives op its answer. Where the caller has gone, or the answer was lost on the way, a claim that it may have got is
// given back.
func (s *Redis) finish(op *rop, reply any, err error, uncertain bool) {
	op.reply, op.err = reply, err
	waited := op.state.CompareAndSwap(ropSent, ropAnswered)
	if op.owned != 0 && (uncertain || err == nil && !waited && grants(reply)) {
		s.lost.add(s.giveBack(op))
		s.lookNow()
	}
	if op.giver && err != nil {
		s.lost.add(s.anew(op))
	}
	if waited && op.done != nil {
		op.done <- struct{}{}
	}
}

// grants says that the answer to a claim is a claim, or cannot be read.
func grants(reply any) bool {
	word, _, ok := answerHead(reply)
	return !ok || word == "mine" || word == "abandoned"
}
