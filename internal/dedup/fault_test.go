package dedup

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
)

// sqliteError is an error as the driver gives it.
type sqliteError int

func (e sqliteError) Error() string { return fmt.Sprintf("injected error %d", int(e)) }
func (e sqliteError) Code() int     { return int(e) }

// faults let steps of a store fail, or wait.
type faults struct {
	mu      sync.Mutex
	errs    map[string]error
	gates   map[string]chan struct{}
	reached map[string]chan struct{}
}

func newFaults() *faults {
	return &faults{errs: map[string]error{}, gates: map[string]chan struct{}{}, reached: map[string]chan struct{}{}}
}

// at is Options.fault.
func (f *faults) at(step string) error {
	f.mu.Lock()
	err, gate, reached := f.errs[step], f.gates[step], f.reached[step]
	f.mu.Unlock()
	if gate != nil {
		select {
		case reached <- struct{}{}:
		default:
		}
		<-gate
	}
	return err
}

// fail makes a step fail from now on; nil makes it work again.
func (f *faults) fail(step string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[step] = err
}

// hold makes a step wait until open is called. reached gets a token when the step is there.
func (f *faults) hold(step string) (reached <-chan struct{}, open func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	gate := make(chan struct{})
	f.gates[step], f.reached[step] = gate, make(chan struct{}, 1)
	return f.reached[step], sync.OnceFunc(func() {
		f.mu.Lock()
		delete(f.gates, step)
		f.mu.Unlock()
		close(gate)
	})
}

func faultyStore(t *testing.T) (*SQLite, *faults) {
	f := newFaults()
	return openAt(t, ledgerPath(t), Options{seams: seams{fault: f.at, lookUpAll: true}}), f
}

// TestErrorsThatBreak: after an error that leaves in doubt what is on the disk nothing is acknowledged any more, and what
// was acknowledged before is there when the file is opened anew.
func TestErrorsThatBreak(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
	}{
		{"fsync", sqliteError(extendedIOSync)},
		{"write", sqliteError(codeIO | 3<<8)},
		{"read", sqliteError(codeIO | 1<<8)},
		{"corrupt", sqliteError(codeCorrupt)},
		{"read-only", sqliteError(codeReadOnly)},
		{"no database", sqliteError(codeNotADB)},
		{"not understood", errors.New("odd")},
	} {
		for _, step := range []string{"begin", "write", "commit", "committed"} {
			t.Run(test.name+" at "+step, func(t *testing.T) {
				t.Parallel()
				s, f := faultyStore(t)
				deliver(t, s, "before")
				c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
				f.fail(step, test.err)
				if err := s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), nil); !errors.Is(err, ErrBroken) || !errors.Is(err, test.err) {
					t.Fatalf("Delivered: %v, want ErrBroken with its cause", err)
				}
				f.fail(step, nil) // a disk that seems well again changes nothing
				all := everyEnd(t.Context(), s, idOf("a"), c.Token)
				_, all["Claim of another"] = s.Claim(t.Context(), repeatable("b"))
				_, all["Claim of a delivered"] = s.Claim(t.Context(), repeatable("before"))
				all["PutState"] = s.PutState(t.Context(), "x", nil)
				_, _, all["GetState"] = s.GetState(t.Context(), "x")
				all["sweep"] = s.sweep(t.Context())
				all["Healthy"] = s.Healthy()
				for name, err := range all {
					if !errors.Is(err, ErrBroken) {
						t.Errorf("%s: %v, want ErrBroken", name, err)
					}
				}
				again := openAt(t, crashed(t, s), Options{})
				mustClaim(t, again, repeatable("before"), consumer.AnswerDelivered)
				want := consumer.AnswerMine
				if step == "committed" { // it had reached the disk, and nobody could know
					want = consumer.AnswerDelivered
				}
				mustClaim(t, again, repeatable("a"), want)
			})
		}
	}
}

// TestQueuedBehindAnErrorThatBreaks: what waited while the error happened is not tried on a store in doubt.
func TestQueuedBehindAnErrorThatBreaks(t *testing.T) {
	s, f := faultyStore(t)
	var ops []*write
	for _, id := range []string{"a", "b"} {
		c := mustClaim(t, s, repeatable(id), consumer.AnswerMine)
		op, err := s.beginCompletion(opDelivered, keyOf(idOf(id)), c.Token, row{state: stateDelivered})
		must(t, err)
		ops = append(ops, op)
	}
	f.fail("commit", sqliteError(extendedIOSync))
	reached, open := f.hold("commit")
	must(t, s.write(t.Context(), ops[0]))
	<-reached // with its error in hand
	f.fail("commit", nil)
	must(t, s.write(t.Context(), ops[1]))
	open()
	for i, op := range ops {
		<-op.done
		if !errors.Is(op.err, ErrBroken) {
			t.Errorf("write %d: %v, want ErrBroken", i, op.err)
		}
	}
}

// TestBrokenStoreIsLeftToTheNextProcess: closing it would let SQLite move a log into the file that may be damaged.
func TestBrokenStoreIsLeftToTheNextProcess(t *testing.T) {
	s, f := faultyStore(t)
	deliver(t, s, "before")
	f.fail("commit", sqliteError(extendedIOSync))
	if err := s.PutState(t.Context(), "x", nil); !errors.Is(err, ErrBroken) {
		t.Fatalf("PutState: %v, want ErrBroken", err)
	}
	log, err := os.ReadFile(s.path + "-wal")
	must(t, err)
	must(t, s.Close())
	if after, err := os.ReadFile(s.path + "-wal"); err != nil || !bytes.Equal(log, after) {
		t.Errorf("Close changed the write-ahead log: %v", err)
	}
	if _, err := Open(t.Context(), Options{Path: s.path, LockWait: -1}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open: %v, want ErrLocked", err)
	}
	mustClaim(t, openAt(t, crashed(t, s), Options{}), repeatable("before"), consumer.AnswerDelivered)
}

func TestReadErrorBreaks(t *testing.T) {
	s, f := faultyStore(t)
	f.fail("read", sqliteError(codeIO|1<<8))
	if _, err := s.Claim(t.Context(), repeatable("a")); !errors.Is(err, ErrBroken) {
		t.Errorf("Claim: %v, want ErrBroken", err)
	}
	if err := s.Healthy(); !errors.Is(err, ErrBroken) {
		t.Errorf("Healthy: %v, want ErrBroken", err)
	}
}

func TestRowThatCannotBeBreaks(t *testing.T) {
	for name, sql := range map[string]string{
		"state":   "UPDATE ledger SET state = 9",
		"content": "UPDATE ledger SET content = x'0102'",
		"history": "UPDATE ledger SET history = 'x'",
	} {
		s := openAt(t, ledgerPath(t), Options{})
		deliver(t, s, "a")
		must(t, s.do(t.Context(), false, func(w *writer) error { return w.conn.exec(sql) }))
		if _, err := s.Claim(t.Context(), repeatable("a")); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: Claim: %v, want ErrBroken", name, err)
		}
	}
}

// TestFsyncErrorOfACheckpointBreaks: SQLite itself would try again and take a second success for the first.
func TestFsyncErrorOfACheckpointBreaks(t *testing.T) {
	s, f := faultyStore(t)
	deliver(t, s, "before")
	f.fail("checkpoint", sqliteError(extendedIOSync))
	checkpointNow(t, s, f)
	if _, err := s.Claim(t.Context(), repeatable("a")); !errors.Is(err, ErrBroken) {
		t.Errorf("Claim: %v, want ErrBroken", err)
	}
	mustClaim(t, openAt(t, crashed(t, s), Options{}), repeatable("before"), consumer.AnswerDelivered)
}

func TestCheckpointOnAFullDiskIsNoTrouble(t *testing.T) {
	s, f := faultyStore(t)
	deliver(t, s, "before")
	f.fail("checkpoint", sqliteError(codeFull))
	checkpointNow(t, s, f)
	must(t, s.Healthy())
	deliver(t, s, "after")
}

// checkpointNow returns when the upkeep has made a checkpoint, or has failed to.
func checkpointNow(t *testing.T, s *SQLite, f *faults) {
	t.Helper()
	reached, open := f.hold("checkpoint")
	s.upkeep.wake()
	<-reached
	open()
	// The upkeep does one thing after the other: this comes after the checkpoint, and fails where that broke the store.
	if err := s.sweep(t.Context()); err != nil && !errors.Is(err, ErrBroken) {
		t.Fatal(err)
	}
}

// TestDiskFull uses SQLite's own limit of the file, so that its real error and its real rollback are met.
func TestDiskFull(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{})
	limit := func(pages int) {
		t.Helper()
		must(t, s.do(t.Context(), true, func(w *writer) error { return w.conn.exec(fmt.Sprintf("PRAGMA max_page_count=%d", pages)) }))
	}
	deliver(t, s, "before")
	limit(1) // SQLite takes what is there for the least
	var c consumer.Claim
	var err error
	n := 0
	for ; err == nil; n++ {
		r := repeatable(fmt.Sprint(n))
		if c, err = s.Claim(t.Context(), r); err != nil {
			t.Fatalf("Claim before the disk is full: %v", err)
		}
		err = s.Delivered(t.Context(), r.Key, c.Token, r.Content, []byte(fmt.Sprintf(`{"x":"%0900d"}`, n)))
	}
	last := repeatable(fmt.Sprint(n - 1))
	if !errors.Is(err, ErrFull) || errors.Is(err, ErrBroken) {
		t.Fatalf("Delivered: %v, want ErrFull", err)
	}
	if err := s.Healthy(); !errors.Is(err, ErrFull) {
		t.Errorf("Healthy: %v, want ErrFull", err)
	}
	mustClaim(t, s, repeatable("before"), consumer.AnswerDelivered) // what is known is known
	entries := s.entries.Load()

	limit(1 << 20)
	must(t, s.upkeep.tryRoom())
	must(t, s.Healthy())
	must(t, s.Delivered(t.Context(), last.Key, c.Token, last.Content, nil)) // with the claim that it still holds
	deliver(t, s, "after")
	if got := s.entries.Load(); got != entries+2 {
		t.Errorf("%d entries, want %d", got, entries+2)
	}
	again := openAt(t, crashed(t, s), Options{})
	for _, id := range []string{"before", "0", last.Key.ID, "after"} {
		mustClaim(t, again, repeatable(id), consumer.AnswerDelivered)
	}
}

// TestErrorsThatPass leave the claim with its holder, who tries again.
func TestErrorsThatPass(t *testing.T) {
	for _, code := range []int{codeFull, codeBusy, codeLocked, codeNoMemory} {
		for _, step := range []string{"begin", "write", "commit"} {
			t.Run(fmt.Sprintf("%d at %s", code, step), func(t *testing.T) {
				t.Parallel()
				s, f := faultyStore(t)
				mine := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
				f.fail(step, sqliteError(code))
				fails := everyEnd(t.Context(), s, idOf("a"), mine.Token)
				delete(fails, "Release") // both write nothing for this claim, and so cannot fail
				delete(fails, "Forget")
				_, fails["Claim once"] = s.Claim(t.Context(), once("b"))
				fails["PutState"] = s.PutState(t.Context(), "x", nil)
				for name, err := range fails {
					if err == nil || errors.Is(err, ErrBroken) || !errors.Is(err, sqliteError(code)) {
						t.Errorf("%s: %v", name, err)
					}
				}
				f.fail(step, nil)
				b := mustClaim(t, s, once("b"), consumer.AnswerMine) // nothing of the failed claim was left
				must(t, s.Delivered(t.Context(), idOf("b"), b.Token, contentNo(1), nil))
				must(t, s.Healthy())
				must(t, s.do(t.Context(), false, func(w *writer) error {
					lost, err := w.conn.int1("SELECT count(*) FROM ledger WHERE scope NOT IN (SELECT id FROM scope)")
					if err == nil && lost > 0 {
						err = fmt.Errorf("%d rows belong to a method that was rolled back", lost)
					}
					return err
				}))
				again := openAt(t, crashed(t, s), Options{})
				mustClaim(t, again, repeatable("a"), consumer.AnswerMine)
				mustClaim(t, again, once("b"), consumer.AnswerDelivered)
			})
		}
	}
}

// TestFullDiskMakesClaimsDurable: while the last write found no room, a claim proves that there is some again.
func TestFullDiskMakesClaimsDurable(t *testing.T) {
	s, f := faultyStore(t)
	mine := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	f.fail("write", sqliteError(codeFull))
	if err := s.Delivered(t.Context(), idOf("a"), mine.Token, contentNo(1), nil); !errors.Is(err, ErrFull) {
		t.Fatalf("Delivered: %v, want ErrFull", err)
	}
	if _, err := s.Claim(t.Context(), repeatable("b")); !errors.Is(err, ErrFull) {
		t.Fatalf("Claim on a full disk: %v, want ErrFull", err)
	}
	f.fail("write", nil)
	b := mustClaim(t, s, repeatable("b"), consumer.AnswerMine)
	must(t, s.Healthy())
	must(t, s.Release(t.Context(), idOf("b"), b.Token))
	if n := s.entries.Load(); n != 0 {
		t.Errorf("%d entries: the released claim left a row", n)
	}
}

// looked returns when the upkeep has looked at the file twice: the second time, it did so after the call.
func looked(t *testing.T, s *SQLite, f *faults) {
	t.Helper()
	for range 2 {
		reached, open := f.hold("stat")
		<-reached
		open()
	}
	if err := s.sweep(t.Context()); err != nil && !errors.Is(err, ErrBroken) { // the upkeep does one thing after the other
		t.Fatal(err)
	}
}

// TestReplacedFileBreaks, although nobody asks how the store is.
func TestReplacedFileBreaks(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		},
	} {
		f := newFaults()
		s := openAt(t, ledgerPath(t), Options{seams: seams{fault: f.at, lookEvery: time.Millisecond}})
		c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
		must(t, replace(s.path))
		looked(t, s, f)
		if err := s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), nil); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: Delivered: %v, want ErrBroken", name, err)
		}
		if _, err := s.Claim(t.Context(), repeatable("b")); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), s.path+" was removed or replaced") {
			t.Errorf("%s: Claim: %v, want ErrBroken with the path", name, err)
		}
		if err := s.Healthy(); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: Healthy: %v, want ErrBroken", name, err)
		}
	}
}

// TestHealthyOnlyTells what is known: asking how the store is changes nothing.
func TestHealthyOnlyTells(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{seams: seams{lookEvery: time.Hour}})
	must(t, os.Rename(s.path, s.path+".old"))
	must(t, s.Healthy())
	must(t, os.Rename(s.path+".old", s.path))
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
}

// TestFileThatCannotBeLookedAt is told once and no reason to stop.
func TestFileThatCannotBeLookedAt(t *testing.T) {
	var out bytes.Buffer
	f := newFaults()
	s := openAt(t, ledgerPath(t), Options{
		Logger: slog.New(slog.NewTextHandler(&out, nil)), seams: seams{fault: f.at, lookEvery: time.Millisecond},
	})
	f.fail("stat", &os.PathError{Op: "stat", Path: s.path, Err: syscall.EACCES})
	looked(t, s, f)
	deliver(t, s, "a")
	f.fail("stat", nil)
	looked(t, s, f)
	must(t, s.Healthy())
	must(t, s.Close())
	for words, times := range map[string]int{"cannot be looked at": 1, "permission denied": 1, "can be looked at again": 1} {
		if n := strings.Count(out.String(), words); n != times {
			t.Errorf("%q is logged %d times, want %d:\n%s", words, n, times, out.String())
		}
	}
}
