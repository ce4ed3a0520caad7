package dedup

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// TestMain also is the other process of the tests that need one (see process_test.go).
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(playRole(role))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		lastThings()
		os.Exit(code)
	}))
}

// lastThings ends what was started for all tests.
var lastThings = func() {}

// store is what every store offers.
type store interface {
	consumer.Ledger
	PutState(ctx context.Context, name string, value []byte) error
	GetState(ctx context.Context, name string) ([]byte, bool, error)
	DeleteState(ctx context.Context, name string) error
	Healthy() error
	Close() error
	sweep(ctx context.Context) error
}

// fast makes a store that does not wait for the disk, for tests of what it answers and not of what survives.
var fast = []string{"synchronous=OFF"}

// clock is the time of a test.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	moved []func(time.Duration) // called when it was advanced
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for _, f := range c.moved {
		f(d)
	}
}

// source is Options.Now of a store with this clock; a nil clock is the real one.
func (c *clock) source() func() time.Time {
	if c == nil {
		return nil
	}
	return c.Now
}

// openAt opens the SQLite store of a test; it is closed when the test ends.
func openAt(t testing.TB, path string, o Options) *SQLite {
	t.Helper()
	o.Path = path
	if o.LockWait == 0 {
		o.LockWait = -1
	}
	s, err := Open(context.Background(), o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func ledgerPath(t testing.TB) string { return filepath.Join(t.TempDir(), "ledger.db") }

// idOf is the key of a test's id.
func idOf(id string) consumer.LedgerKey {
	return consumer.LedgerKey{Method: "taobao.test.call", Account: "default", ID: id}
}

// contentNo is a content; other numbers are other contents.
func contentNo(n int) consumer.Content {
	return consumer.Content{Version: 1, Hash: [32]byte{byte(n), byte(n >> 8), 7}}
}

const lease = 20 * time.Second

func repeatable(id string) consumer.ClaimRequest {
	return consumer.ClaimRequest{Key: idOf(id), Content: contentNo(1), Lease: lease, Repeatable: true}
}

func once(id string) consumer.ClaimRequest {
	r := repeatable(id)
	r.Repeatable = false
	return r
}

// someHistory has every field set.
func someHistory(attempts int) retry.History {
	first := time.Date(2026, 2, 28, 23, 59, 59, 123456789, time.UTC)
	return retry.History{
		Attempts: attempts, FirstFailedAt: first, LastAttemptAt: first.Add(time.Hour), Active: 17*time.Minute + 3,
		Ambiguous: true, Spared: 2, ParseRetried: true, Lettered: "top.work-orders/3/17 rejected", Origin: "top.work-orders/3/17",
	}
}

// mustClaim claims and fails the test unless the answer is want.
func mustClaim(t testing.TB, s consumer.Ledger, r consumer.ClaimRequest, want consumer.Answer) consumer.Claim {
	t.Helper()
	c, err := s.Claim(context.Background(), r)
	if err != nil {
		t.Fatalf("Claim(%s): %v", r.Key.ID, err)
	}
	if c.Answer != want {
		t.Fatalf("Claim(%s) answered %s, want %s", r.Key.ID, answerName(c.Answer), answerName(want))
	}
	if holds := want == consumer.AnswerMine || want == consumer.AnswerAbandoned; (c.Token != 0) != holds {
		t.Fatalf("Claim(%s) answered %s with token %d", r.Key.ID, answerName(c.Answer), c.Token)
	}
	return c
}

func answerName(a consumer.Answer) string {
	if int(a) < len(claimResults) && a > 0 {
		return claimResults[a]
	}
	return fmt.Sprintf("answer %d", a)
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// deliver claims and delivers an id.
func deliver(t testing.TB, s consumer.Ledger, id string) {
	t.Helper()
	c := mustClaim(t, s, repeatable(id), consumer.AnswerMine)
	must(t, s.Delivered(context.Background(), idOf(id), c.Token, contentNo(1), nil))
}

// plan is how SQLite carries sql out, with every parameter left open.
func (c *conn) plan(sql string) (string, error) {
	s, err := c.compile("EXPLAIN QUERY PLAN " + strings.ReplaceAll(sql, "?", "NULL"))
	if err != nil {
		return "", err
	}
	var steps []string
	err = s.query(4, func(row []driver.Value) error {
		step, _ := row[3].(string)
		steps = append(steps, step)
		return nil
	})
	return strings.Join(steps, "; "), errors.Join(err, s.close())
}
