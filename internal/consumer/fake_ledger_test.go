package consumer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/retry"
)

// fakeLedger keeps the rules of ports.go in a map and fails where a test says so. internal/dedup cannot be used in a
// bubble: it keeps channels from one test to the next; memory_test.go runs the worker with it.
type fakeLedger struct {
	mu     sync.Mutex
	rows   map[LedgerKey]*fakeRow
	tokens uint64
	fail   func(op string) error // nil: nothing fails
	refuse string                // a method that gets no claims
	ops    map[string]int        // that came through
	failed map[string]int        // that did not
	trace  *trace
}

type fakeRow struct {
	state     string // "", "delivered", "unknown"
	content   Content
	reply     []byte
	history   retry.History
	claimed   bool
	abandoned bool
	repeat    bool // the claim's
	token     uint64
	deadline  time.Time
}

func newFakeLedger(tr *trace) *fakeLedger {
	return &fakeLedger{rows: map[LedgerKey]*fakeRow{}, ops: map[string]int{}, failed: map[string]int{}, trace: tr}
}

// op counts an operation, or fails it. The lock is held.
func (l *fakeLedger) op(name string) error {
	if l.fail != nil {
		if err := l.fail(name); err != nil {
			l.failed[name]++
			return err
		}
	}
	l.ops[name]++
	l.trace.add("%s", name)
	return nil
}

// Claim implements Ledger.
func (l *fakeLedger) Claim(_ context.Context, r ClaimRequest) (Claim, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.op("claim"); err != nil {
		return Claim{}, err
	}
	if r.Key.Method == l.refuse {
		return Claim{}, fmt.Errorf("it was emptied: %w", ErrClaimRefused)
	}
	row := l.rows[r.Key]
	if row == nil {
		row = &fakeRow{}
		l.rows[r.Key] = row
	}
	conflict := row.content.Version == r.Content.Version && row.content.Hash != r.Content.Hash
	now := time.Now()
	switch {
	case row.state == "delivered":
		return Claim{Answer: AnswerDelivered, Conflict: conflict, Reply: row.reply}, nil
	case row.state == "unknown" && (conflict || !r.Repeatable):
		return Claim{Answer: AnswerUnknown, Conflict: conflict, History: row.history}, nil
	case row.claimed && now.Before(row.deadline):
		return Claim{Answer: AnswerBusy, BusyUntil: row.deadline}, nil
	}
	row.abandoned = row.abandoned || row.claimed && !r.Repeatable
	l.tokens++
	row.claimed, row.token, row.deadline, row.repeat = true, l.tokens, now.Add(r.Lease), r.Repeatable
	c := Claim{Answer: AnswerMine, Token: row.token, History: row.history}
	if row.abandoned {
		c.Answer = AnswerAbandoned
	}
	return c, nil
}

// complete ends a claim, if it is the token's.
func (l *fakeLedger) complete(op string, k LedgerKey, token uint64, end func(*fakeRow)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.op(op); err != nil {
		return err
	}
	row := l.rows[k]
	if row == nil || !row.claimed || row.token != token {
		return ErrClaimLost
	}
	row.claimed = false
	end(row)
	return nil
}

// Delivered implements Ledger.
func (l *fakeLedger) Delivered(_ context.Context, k LedgerKey, token uint64, c Content, reply []byte) error {
	return l.complete("delivered", k, token, func(r *fakeRow) { r.state, r.content, r.reply = "delivered", c, reply })
}

// Unknown implements Ledger.
func (l *fakeLedger) Unknown(_ context.Context, k LedgerKey, token uint64, c Content, h retry.History) error {
	return l.complete("unknown", k, token, func(r *fakeRow) { r.state, r.content, r.history = "unknown", c, h })
}

// Failed implements Ledger.
func (l *fakeLedger) Failed(_ context.Context, k LedgerKey, token uint64, h retry.History) error {
	return l.complete("failed", k, token, func(r *fakeRow) { r.history = h })
}

// Release implements Ledger.
func (l *fakeLedger) Release(_ context.Context, k LedgerKey, token uint64) error {
	return l.complete("release", k, token, func(*fakeRow) {})
}

// Forget implements Ledger.
func (l *fakeLedger) Forget(_ context.Context, k LedgerKey, token uint64) error {
	return l.complete("forget", k, token, func(*fakeRow) { delete(l.rows, k) })
}

// failing sets what fails from now on.
func (l *fakeLedger) failing(f func(op string) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = f
}

// refusing makes the ledger give no claims for a method.
func (l *fakeLedger) refusing(method string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refuse = method
}

// count is how often an operation came through.
func (l *fakeLedger) count(op string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ops[op]
}

// restarted is what a successor of the process finds: every claim is over.
func (l *fakeLedger) restarted() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rows {
		r.deadline = time.Time{}
	}
}

// row is what is known of an id; false where nothing is.
func (l *fakeLedger) row(k LedgerKey) (fakeRow, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, ok := l.rows[k]
	if !ok {
		return fakeRow{}, false
	}
	return *r, true
}
