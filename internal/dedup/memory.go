package dedup

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Memory is the store of tests and of the demo: it forgets everything when the process ends.
type Memory struct {
	*ledger
	retention time.Duration

	mu     sync.Mutex
	stored map[key]row
	states map[string][]byte
	writes int

	closed    chan struct{}
	closeOnce sync.Once
}

// NewMemory makes an empty store. It panics where the options are wrong or its metrics are registered already: it has no
// other way to fail.
func NewMemory(o Options) *Memory {
	o, err := o.withDefaults()
	if err != nil {
		panic(err)
	}
	m := &Memory{
		retention: o.Retention,
		stored:    make(map[key]row), states: make(map[string][]byte), closed: make(chan struct{}),
	}
	metrics, err := newMetrics(o.Registerer,
		func() float64 { return float64(m.entries()) },
		func() float64 { return 0 })
	if err != nil {
		panic(err)
	}
	m.ledger = &ledger{claims: newClaims(), rows: memoryRows{m}, now: o.Now, metrics: metrics}
	m.tokens.Store(rand.Uint64() >> 1) // so that no token of an earlier store is met again
	return m
}

// Healthy is nil until the store is closed.
func (m *Memory) Healthy() error {
	select {
	case <-m.closed:
		return ErrClosed
	default:
		return nil
	}
}

// Close ends the store. Every later operation fails.
func (m *Memory) Close() error {
	m.closeOnce.Do(func() {
		m.unregister()
		close(m.closed)
	})
	return nil
}

// PutState remembers value under name.
func (m *Memory) PutState(ctx context.Context, name string, value []byte) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.states[name] = bytes.Clone(value)
	return nil
}

// GetState gives back what was put under name; false where nothing was.
func (m *Memory) GetState(ctx context.Context, name string) ([]byte, bool, error) {
	if err := m.ready(ctx); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.states[name]
	return bytes.Clone(v), ok, nil
}

// DeleteState forgets what was put under name.
func (m *Memory) DeleteState(ctx context.Context, name string) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.states, name)
	return nil
}

func (m *Memory) entries() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.stored)
}

// sweep deletes what is older than the retention.
func (m *Memory) sweep(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(len(m.stored))
	return nil
}

// expire looks at up to n rows and deletes those that are too old. A map's iteration starts anywhere, so that many small
// looks reach every row.
func (m *Memory) expire(n int) {
	cutoff := m.now().Add(-m.retention).Unix()
	for k, r := range m.stored {
		if n--; n < 0 {
			return
		}
		if r.state != stateClaimed && r.at < cutoff {
			delete(m.stored, k)
		}
	}
}

// memoryRows are the rows of a Memory. Every operation is finished before its call returns.
type memoryRows struct{ *Memory }

func (r memoryRows) read(_ context.Context, op *read) error {
	r.mu.Lock()
	found := r.stored[op.entry.key]
	r.mu.Unlock()
	r.finishRead(op, found, nil)
	return nil
}

func (r memoryRows) write(_ context.Context, op *write) error {
	r.mu.Lock()
	if op.remove {
		delete(r.stored, op.entry.key)
	} else {
		r.stored[op.entry.key] = op.row
	}
	// Retention in passing: as many looks as rows that were written, in steps of 1024.
	if r.writes++; r.writes%1024 == 0 {
		r.expire(2048)
	}
	r.mu.Unlock()
	if follow := r.finishWrite(op, nil); follow != nil {
		return r.write(context.Background(), follow)
	}
	return nil
}

func (r memoryRows) usable() error            { return r.Healthy() }
func (r memoryRows) wary() bool               { return false }
func (r memoryRows) stopped() <-chan struct{} { return r.closed }
