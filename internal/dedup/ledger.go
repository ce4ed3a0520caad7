package dedup

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toprelay/worker/internal/consumer"
)

// rows is where a ledger keeps its rows. Both calls return nil when the operation was taken on, and the store then calls
// finishRead or finishWrite exactly once for it, from any goroutine; or an error, and then nothing was taken on.
type rows interface {
	read(ctx context.Context, op *read) error
	write(ctx context.Context, op *write) error
	// usable is nil, or why no call can succeed.
	usable() error
	// wary says that the last write found no room: whether a success could be recorded must be tried before it is needed.
	wary() bool
	// stopped is closed when no operation will be finished any more.
	stopped() <-chan struct{}
}

// read is the lookup of one row for a claim.
type read struct {
	entry   *entry
	content content
	claim   consumer.Claim // the answer, unless the claim must be written first
	pending bool           // the claim must be written first
	result
}

// write is a change of one row: row takes the place of what is there, or nothing does where remove is set.
type write struct {
	entry  *entry
	kind   writeKind
	row    row
	remove bool
	known  bool           // there is a row already
	claim  consumer.Claim // the answer to a claim that was written
	result
}

type writeKind uint8

const (
	writeClaim    writeKind = iota // makes a claim durable
	writeResult                    // ends a claim
	writeGiveBack                  // ends a claim whose caller went away; nobody waits for it
)

// result is how an operation ends: err is set, finished becomes true under the shard's lock, then done gets a token.
type result struct {
	err      error
	finished bool
	done     chan struct{}
}

// Operations are used again by a caller that saw their end: the store is done with them then. One whose caller went away
// before is left to the garbage collector.
var (
	reads  = sync.Pool{New: func() any { return &read{result: result{done: make(chan struct{}, 1)}} }}
	writes = sync.Pool{New: func() any { return &write{result: result{done: make(chan struct{}, 1)}} }}
)

func newRead(e *entry, c content) *read {
	op := reads.Get().(*read)
	*op = read{entry: e, content: c, result: result{done: op.done}}
	return op
}

func newWrite(e *entry, kind writeKind, r row) *write {
	op := writes.Get().(*write)
	*op = write{entry: e, kind: kind, row: r, known: e.known, result: result{done: op.done}}
	return op
}

// ledger is the part that the stores share: the rules of claims over some rows.
type ledger struct {
	claims *claims
	rows   rows
	marks  *marks        // nil: nothing survives the process
	tokens atomic.Uint64 // the last token given
	now    func() time.Time
	*metrics
}

// Claim asks for one attempt (see consumer.Ledger).
func (l *ledger) Claim(ctx context.Context, r consumer.ClaimRequest) (consumer.Claim, error) {
	start := time.Now()
	c, err := l.claim(ctx, r)
	l.observeClaim(start, c, err)
	if err != nil {
		return consumer.Claim{}, fmt.Errorf("ledger claim: %w", err)
	}
	return c, nil
}

func (l *ledger) claim(ctx context.Context, r consumer.ClaimRequest) (consumer.Claim, error) {
	if err := saneLease(r.Lease); err != nil {
		return consumer.Claim{}, err
	}
	k, c := keyOf(r.Key), contentOf(r.Content)
	for {
		if err := l.ready(ctx); err != nil {
			return consumer.Claim{}, err
		}
		e, answer, step := l.enter(k, c, r)
		switch step {
		case stepAnswered:
			return answer, nil
		case stepRead:
			return l.lookUp(ctx, e, c)
		case stepWrite:
			return l.writeClaim(ctx, e)
		}
		// Somebody else is reading the row of this id: wait for what they find.
		select {
		case <-e.ready:
		case <-ctx.Done():
			return consumer.Claim{}, ctx.Err()
		case <-l.rows.stopped():
			return consumer.Claim{}, ErrClosed
		}
		if e.found != nil { // settled: written before ready was closed, and never again
			return e.found.answer(c), nil
		}
	}
}

// ready is nil where an operation may begin.
func (l *ledger) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return l.rows.usable()
}

func saneLease(d time.Duration) error {
	if d <= 0 || d > maxLease {
		return fmt.Errorf("lease of %v: it must be above 0 and at most %v", d, maxLease)
	}
	return nil
}

type step uint8

const (
	stepAnswered step = iota // the answer is there
	stepRead                 // the caller has to read the row
	stepWrite                // the caller has to write the claim
	stepWait                 // another caller is reading the row
)

// enter finds out what a claim for k has to do.
func (l *ledger) enter(k key, c content, r consumer.ClaimRequest) (*entry, consumer.Claim, step) {
	s := l.claims.lock(k)
	defer s.Unlock()
	e := s.entries[k]
	if e == nil {
		e = &entry{
			key: k, scope: scope{r.Key.Method, r.Key.Account}, token: l.tokens.Add(1), lease: r.Lease, repeatable: r.Repeatable,
		}
		s.entries[k] = e
		return e, consumer.Claim{}, stepRead
	}
	if e.phase == phaseLooking {
		if e.ready == nil {
			e.ready = make(chan struct{})
		}
		return e, consumer.Claim{}, stepWait
	}
	now := l.now()
	if e.phase != phaseHeld || now.Before(e.deadline) {
		return nil, consumer.Claim{Answer: consumer.AnswerBusy, BusyUntil: e.busyUntil(now)}, stepAnswered
	}
	if e.unknown.conflicts(c) {
		return nil, row{state: stateUnknown, content: e.unknown, history: e.history}.answer(c), stepAnswered
	}
	e = s.succeed(e, l.tokens.Add(1), r)
	if l.mustWrite(e) {
		e.phase, e.deadline = phaseClaiming, now.Add(e.lease)
		return e, consumer.Claim{}, stepWrite
	}
	return e, e.grant(now), stepAnswered // its mark is the one of the claim before
}

// mark notes that the id is being called, where its claim has no row.
func (l *ledger) mark(e *entry) error {
	if l.marks == nil || e.durable {
		return nil
	}
	slot, err := l.marks.set(e.key)
	if err != nil {
		return fmt.Errorf("mark the claim: %w", err)
	}
	e.slot, e.marked = slot, true
	return nil
}

// leave takes an entry out of its shard, whose lock is held.
func (l *ledger) leave(s *shard, e *entry) {
	delete(s.entries, e.key)
	if e.marked {
		l.marks.end(e.slot)
	}
}

// mustWrite says whether the claim of e is worth nothing before it is on the disk.
func (l *ledger) mustWrite(e *entry) bool {
	return !e.durable && (!e.repeatable || l.rows.wary())
}

func (l *ledger) lookUp(ctx context.Context, e *entry, c content) (consumer.Claim, error) {
	op := newRead(e, c)
	if err := l.rows.read(ctx, op); err != nil {
		l.finishRead(op, row{}, err)
		return consumer.Claim{}, err
	}
	if err := l.await(ctx, e, &op.result); err != nil {
		return consumer.Claim{}, err
	}
	claim, pending, err := op.claim, op.pending, op.err
	reads.Put(op)
	if err == nil && pending {
		return l.writeClaim(ctx, e)
	}
	return claim, err
}

// writeClaim makes the claim of e, which is in phaseClaiming, durable.
func (l *ledger) writeClaim(ctx context.Context, e *entry) (consumer.Claim, error) {
	op := newWrite(e, writeClaim, row{state: stateClaimed, scope: e.scope, at: l.now().Unix(), history: e.history})
	if err := l.rows.write(ctx, op); err != nil {
		l.finishWrite(op, err)
		return consumer.Claim{}, err
	}
	if err := l.await(ctx, e, &op.result); err != nil {
		return consumer.Claim{}, err
	}
	claim, err := op.claim, op.err
	writes.Put(op)
	return claim, err
}

// await waits until r is finished. A caller that goes away before leaves the entry as an orphan: whoever finishes the
// operation gives the claim back.
func (l *ledger) await(ctx context.Context, e *entry, r *result) error {
	var gone error
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		gone = ctx.Err()
	case <-l.rows.stopped():
		gone = ErrClosed
	}
	s := l.claims.lock(e.key)
	finished := r.finished
	if !finished {
		e.orphaned = true
	}
	s.Unlock()
	if !finished {
		return gone
	}
	// Both at once: the claim is the caller's, who will give it back. The token must not stay for the next use of r.
	<-r.done
	return nil
}

// finishRead is called by the rows with what is stored for op.
func (l *ledger) finishRead(op *read, found row, err error) {
	e := op.entry
	s := l.claims.lock(e.key)
	switch {
	case err != nil:
		op.err = err
		delete(s.entries, e.key)
	case found.settled() && !found.again(e.repeatable, op.content):
		stays := found // a copy, so that only settled rows go to the heap
		op.claim, e.found = found.answer(op.content), &stays
		delete(s.entries, e.key)
	case e.orphaned:
		delete(s.entries, e.key)
	default:
		e.known, e.history = found.state != stateNone, found.history
		// The store was opened by this process: the claim of a row without an entry is a former process's.
		e.durable = found.state == stateClaimed
		e.abandoned = e.durable && !e.repeatable
		if e.durable && e.repeatable { // its claim was written because the disk was full: its call was cut off as a marked one
			countCutOff(&e.history, l.now())
		}
		if found.state == stateUnknown {
			e.unknown = found.content
		}
		if l.mustWrite(e) {
			e.phase, op.pending = phaseClaiming, true
			e.deadline = l.now().Add(e.lease)
		} else if op.err = l.mark(e); op.err != nil {
			delete(s.entries, e.key)
		} else {
			op.claim = e.grant(l.now())
		}
	}
	if e.ready != nil {
		close(e.ready)
	}
	op.finished = true
	s.Unlock()
	op.done <- struct{}{}
}
