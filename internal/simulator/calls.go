package simulator

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Call is a call as the simulator received it, and what it made of it.
type Call struct {
	// Seq counts calls from 1, and goes on after the log is cleared. Calls that did not overlap are in the order of their
	// effects.
	Seq    int64     `json:"seq"`
	Time   time.Time `json:"time"`
	Method string    `json:"method"`
	AppKey string    `json:"app_key"`
	// Params are all parameters, those of the gateway too, after URL decoding. Of a name sent twice the last one.
	Params map[string]string `json:"params"`
	// Body is the raw body of a Qimen call.
	Body string `json:"body,omitzero"`
	// Accepted tells whether the effect happened, whatever became of the reply.
	Accepted bool `json:"accepted"`
	// Reply is the body that was sent, or would have been before it was cut.
	Reply string `json:"reply"`

	// Key is the ordering key of the event, empty for a call that broke off before its arguments were read.
	Key string `json:"-"`
	// Repeat tells that the effect had happened before: the idempotent id, or the order, was known.
	Repeat bool `json:"-"`
}

// record is a Call as the log keeps it: the texts as received, decoded only when somebody looks.
type record struct {
	Call
	query, form, reply string
	size               int
}

// recordOverhead is what a record costs beside its texts, in bytes.
const recordOverhead = 256

// callLog keeps the last calls, bounded in number and bytes.
type callLog struct {
	maxCalls, maxBytes int

	mu       sync.Mutex
	ring     []record
	head     int // of the oldest
	count    int
	bytes    int
	seq      int64
	total    int // since the log was cleared, dropped ones included
	accepted int
	waiters  []*waiter
}

// waiter waits for a number of calls, or of accepted ones.
type waiter struct {
	calls, accepted int
	reached         chan struct{}
}

// add appends the record and gives it its number.
func (l *callLog) add(r record) {
	r.size = recordOverhead + len(r.query) + len(r.form) + len(r.Body) + len(r.reply)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	r.Seq = l.seq
	l.total++
	if r.Accepted {
		l.accepted++
	}
	for l.count > 0 && (l.count == l.maxCalls || l.bytes+r.size > l.maxBytes) {
		l.bytes -= l.ring[l.head].size
		l.ring[l.head] = record{}
		l.head = (l.head + 1) % len(l.ring)
		l.count--
	}
	if l.count == len(l.ring) {
		l.grow()
	}
	l.ring[(l.head+l.count)%len(l.ring)] = r
	l.count++
	l.bytes += r.size
	l.wake()
}

func (l *callLog) grow() {
	ring := make([]record, min(l.maxCalls, max(64, 2*len(l.ring))))
	n := copy(ring, l.ring[l.head:])
	copy(ring[n:], l.ring[:l.head])
	l.ring, l.head = ring, 0
}

func (l *callLog) wake() {
	if len(l.waiters) == 0 {
		return
	}
	waiting := l.waiters[:0]
	for _, w := range l.waiters {
		if l.total >= w.calls && l.accepted >= w.accepted {
			close(w.reached)
		} else {
			waiting = append(waiting, w)
		}
	}
	l.waiters = waiting
}

// clear forgets all calls.
func (l *callLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring, l.head, l.count, l.bytes, l.total, l.accepted = nil, 0, 0, 0, 0, 0
}

// snapshot copies the records, oldest first.
func (l *callLog) snapshot() []record {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]record, l.count)
	for i := range list {
		list[i] = l.ring[(l.head+i)%len(l.ring)]
	}
	return list
}

// call decodes the record.
func (r *record) call() Call {
	c := r.Call
	c.Reply = r.reply
	pairs, _ := parsePairs(nil, r.query)
	pairs, _ = parsePairs(pairs, r.form)
	c.Params = make(map[string]string, len(pairs))
	for _, p := range pairs {
		c.Params[p.name] = p.value
	}
	return c
}

// wait returns when so many calls were recorded, and so many of them accepted, since the log was last cleared.
func (l *callLog) wait(ctx context.Context, calls, accepted int) error {
	w := &waiter{calls: calls, accepted: accepted, reached: make(chan struct{})}
	l.mu.Lock()
	l.waiters = append(l.waiters, w)
	l.wake()
	l.mu.Unlock()
	select {
	case <-w.reached:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, other := range l.waiters {
		if other == w {
			l.waiters = append(l.waiters[:i], l.waiters[i+1:]...)
			return fmt.Errorf("simulator: %d calls, %d accepted, waiting for %d and %d: %w",
				l.total, l.accepted, calls, accepted, context.Cause(ctx))
		}
	}
	return nil
}
