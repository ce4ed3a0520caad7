package consumer

import (
	"container/heap"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toprelay/worker/internal/retry"
)

// schedule decides which lane makes its attempt next. It starts no more attempts than the gate permits, at most limit at
// once, and at most spare without a call, so that a dead-letter topic that hangs leaves room for calls.
type schedule struct {
	gate   *retry.Gate
	limit  int
	spare  int
	start  func(job) // hands an attempt to a goroutine; must not block
	bounds *bounds

	mu         sync.Mutex
	scopes     map[retry.Scope]*scopeQueue
	turns      []*scopeQueue // round robin
	turn       int
	direct     fifo   // lanes that need no call
	timers     timers // lanes that wait
	waiting    map[WaitReason]int
	parked     map[string]int // lanes that the gate refused alone, by its reason
	running    int
	uncalled   int           // of these without a call
	ledgerAway atomic.Bool   // the ledger does not answer
	awayUntil  time.Time     // and is not asked before
	wake       chan struct{} // capacity 1
	lastTicked time.Time
}

func newSchedule(gate *retry.Gate, limit, spare int, b *bounds, start func(job)) *schedule {
	return &schedule{
		gate: gate, limit: limit, spare: spare, start: start, bounds: b,
		scopes: map[retry.Scope]*scopeQueue{}, waiting: map[WaitReason]int{}, parked: map[string]int{},
		wake: make(chan struct{}, 1), lastTicked: time.Now(),
	}
}

// loop starts attempts when time or the gate allows them, until ctx ends. Everything else that makes a lane ready starts
// its attempt at once.
func (s *schedule) loop(ctx context.Context) {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for {
		s.mu.Lock()
		now := time.Now()
		s.lastTicked = now
		s.ring(now)
		s.dispatch(now)
		next := s.next(now)
		s.mu.Unlock()
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-s.gate.Changed():
		case <-timer.C:
		}
	}
}

// next is how long nothing can happen by time alone, at most a second, so that the loop can be seen ticking.
func (s *schedule) next(now time.Time) time.Duration {
	d := time.Second
	earlier := func(t time.Time) {
		if !t.IsZero() {
			d = min(d, max(t.Sub(now), 0))
		}
	}
	if len(s.timers) > 0 {
		earlier(s.timers[0].due)
	}
	if s.ready() {
		if s.awayUntil.After(now) {
			earlier(s.awayUntil)
		} else {
			earlier(s.gate.NextChange())
		}
	}
	return max(d, time.Millisecond)
}

func (s *schedule) ready() bool {
	for _, q := range s.turns {
		if q.lanes.len() > 0 {
			return true
		}
	}
	return false
}

// ring moves the lanes whose time has come to their queues.
func (s *schedule) ring(now time.Time) {
	for len(s.timers) > 0 && !s.timers[0].due.After(now) {
		l := heap.Pop(&s.timers).(*lane)
		s.unwait(l)
		s.enqueue(l)
	}
}

// park makes a lane wait until due.
func (s *schedule) park(l *lane, reason WaitReason, due time.Time) {
	l.reason, l.due = reason, due
	if l.parked != "" {
		s.parked[l.parked]++
	} else {
		s.waiting[reason]++
	}
	heap.Push(&s.timers, l)
}

func (s *schedule) unwait(l *lane) {
	if l.parked != "" {
		s.parked[l.parked]--
		l.parked = ""
	} else {
		s.waiting[l.reason]--
	}
}

// add takes a decoded event into its lane. The caller has reserved room for it.
func (s *schedule) add(it *item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := it.partition
	p.window.add(it)
	p.window.advance(it.record.Offset + 1)
	s.bounds.take(it)
	key := laneKey{key: it.key}
	if it.typ != nil {
		key.account, key.method = it.event.Account, it.typ.Method
	}
	if l := p.lanes[key]; l != nil && it.key != "" {
		l.items = append(l.items, it)
		return
	}
	l := &lane{key: key, partition: p, items: []*item{it}}
	if it.key != "" { // an event without a readable key has a lane of its own
		p.lanes[key] = l
	}
	s.enqueue(l)
	s.dispatch(time.Now())
}

// finish takes a lane back after an attempt: the next event of its key, or the same one later.
func (s *schedule) finish(l *lane, out Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := l.partition
	s.running--
	if !l.called {
		s.uncalled--
	}
	p.running--
	if p.running == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	now := time.Now()
	if out.Kind != NotSettled {
		it := l.first()
		l.items[0] = nil
		l.items = l.items[1:]
		p.window.settle(it)
		s.bounds.give(it)
	}
	switch {
	case p.revoked:
		s.abandon(l)
	case len(l.items) == 0:
		if p.lanes[l.key] == l {
			delete(p.lanes, l.key)
		}
	case out.Kind == NotSettled && out.Until.After(now):
		s.park(l, out.Wait, out.Until)
		s.poke() // its time may be the earliest
	default:
		s.enqueue(l)
	}
	s.dispatch(now)
}

// drop lets go of a partition: what waits is dropped at once, what runs is awaited by the caller. The channel is closed
// when nothing of it runs any more.
func (s *schedule) drop(p *partition) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.revoked = true
	mine := func(l *lane) bool { return l.partition == p }
	for _, q := range s.turns {
		for _, l := range q.lanes.remove(mine) {
			s.abandon(l)
		}
	}
	for _, l := range s.direct.remove(mine) {
		s.abandon(l)
	}
	kept := s.timers[:0]
	for _, l := range s.timers {
		if mine(l) {
			s.unwait(l)
			s.abandon(l)
		} else {
			kept = append(kept, l)
		}
	}
	clear(s.timers[len(kept):])
	s.timers = kept
	heap.Init(&s.timers)
	idle := make(chan struct{})
	if p.running == 0 {
		close(idle)
	} else {
		p.idle = idle
	}
	return idle
}

// abandon forgets a lane of a revoked partition. Its events stay unsettled.
func (s *schedule) abandon(l *lane) {
	for _, it := range l.items {
		s.bounds.give(it)
	}
	l.items = nil
	if l.partition.lanes[l.key] == l {
		delete(l.partition.lanes, l.key)
	}
}

// kick looks for work that a slot that came back allows.
func (s *schedule) kick() {
	s.mu.Lock()
	s.dispatch(time.Now())
	s.mu.Unlock()
}

// poke wakes the loop.
func (s *schedule) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// away stops all attempts until then: the ledger does not answer. After it one call at a time finds out whether it does.
func (s *schedule) away(until time.Time) {
	s.mu.Lock()
	s.ledgerAway.Store(true)
	s.awayUntil = until
	s.mu.Unlock()
	s.poke()
}

// back lets all attempts go on: the ledger answers.
func (s *schedule) back() {
	if !s.ledgerAway.Load() { // costs nothing while it is well
		return
	}
	s.mu.Lock()
	s.ledgerAway.Store(false)
	s.awayUntil = time.Time{}
	s.dispatch(time.Now())
	s.mu.Unlock()
}

// stalled counts the waiting keys by reason: those with a time of their own, and those that the gate holds.
func (s *schedule) stalled() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for reason, n := range s.waiting {
		counts[string(reason)] += n
	}
	for reason, n := range s.parked {
		counts[reason] += n
	}
	for _, q := range s.turns {
		switch {
		case s.ledgerAway.Load(): // whatever the gate said last
			counts[string(WaitLedger)] += q.lanes.len()
		case q.refused != "":
			counts[q.refused] += q.lanes.len()
		}
	}
	return counts
}

// ticked is when the loop last ran.
func (s *schedule) ticked() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastTicked
}
