package dedup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
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
	return openAt(t, ledgerPath(t), Options{seams: seams{fault: f.at}}), f
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

// TestCancelledClaimIsGivenBack: a caller that goes away while its claim is being written leaves nothing behind.
func TestCancelledClaimIsGivenBack(t *testing.T) {
	for _, before := range []retry.History{{}, someHistory(2)} {
		s, f := faultyStore(t)
		if before.Attempts > 0 {
			c := mustClaim(t, s, once("a"), consumer.AnswerMine)
			must(t, s.Failed(t.Context(), idOf("a"), c.Token, before))
		}
		reached, open := f.hold("commit")
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error, 1)
		go func() {
			_, err := s.Claim(ctx, once("a"))
			failed <- err
		}()
		<-reached
		mustClaim(t, s, once("a"), consumer.AnswerBusy)
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("Claim: %v, want context.Canceled", err)
		}
		open()
		must(t, s.PutState(t.Context(), "x", nil)) // after the claim's group and what followed it
		must(t, s.PutState(t.Context(), "x", nil))
		// Also on the disk: the next process finds no claim without a result.
		again := openAt(t, crashed(t, s), Options{})
		for _, s := range []*SQLite{s, again} {
			if c := mustClaim(t, s, once("a"), consumer.AnswerMine); c.History != before {
				t.Errorf("history %+v, want %+v", c.History, before)
			}
		}
	}
}

// TestCancelledLookupIsGivenBack: the same while the row is being read.
func TestCancelledLookupIsGivenBack(t *testing.T) {
	s, f := faultyStore(t)
	reached, open := f.hold("read")
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := s.Claim(ctx, repeatable("a"))
		first <- err
	}()
	<-reached
	go func() { // waits for the lookup of the first, and must then do its own
		c, err := s.Claim(t.Context(), repeatable("a"))
		if err == nil && c.Answer != consumer.AnswerMine {
			err = fmt.Errorf("answer %s", answerName(c.Answer))
		}
		second <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first Claim: %v, want context.Canceled", err)
	}
	open()
	if err := <-second; err != nil {
		t.Errorf("the second Claim: %v", err)
	}
}

// TestCancelledResultIsStillRecorded: what was queued is carried out, and the claim is over.
func TestCancelledResultIsStillRecorded(t *testing.T) {
	s, f := faultyStore(t)
	c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	reached, open := f.hold("commit")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- s.Delivered(ctx, idOf("a"), c.Token, contentNo(1), nil) }()
	<-reached
	if err := s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), nil); !errors.Is(err, errCompleting) {
		t.Errorf("a second result beside the first: %v", err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Delivered: %v, want context.Canceled", err)
	}
	open()
	must(t, s.PutState(t.Context(), "x", nil))
	must(t, s.PutState(t.Context(), "x", nil))
	mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered)
}

// TestBusyWhileTheResultIsWritten: a deadline that passes in the meantime lets nobody in.
func TestBusyWhileTheResultIsWritten(t *testing.T) {
	f, clock := newFaults(), newClock()
	s := openAt(t, ledgerPath(t), Options{Now: clock.Now, seams: seams{fault: f.at}})
	c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	reached, open := f.hold("commit")
	done := make(chan error, 1)
	go func() { done <- s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), nil) }()
	<-reached
	clock.advance(2 * lease)
	if busy := mustClaim(t, s, repeatable("a"), consumer.AnswerBusy); !busy.BusyUntil.After(clock.Now()) {
		t.Errorf("busy until %v at %v: the caller would ask again without a pause", busy.BusyUntil, clock.Now())
	}
	open()
	must(t, <-done)
	mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered)
}

// TestCloseCarriesOutWhatIsQueued: results that were handed over before Close are durable after it.
func TestCloseCarriesOutWhatIsQueued(t *testing.T) {
	s, f := faultyStore(t)
	reached, open := f.hold("commit")
	const n = 20
	for i := range n {
		r := repeatable(fmt.Sprint(i))
		c := mustClaim(t, s, r, consumer.AnswerMine)
		op, err := s.beginCompletion(opDelivered, keyOf(r.Key), c.Token, row{state: stateDelivered})
		must(t, err)
		must(t, s.write(t.Context(), op))
	}
	<-reached // the writer has the first of them, the others wait
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	<-s.closing
	open()
	must(t, <-closed)
	again := openAt(t, s.path, Options{})
	for i := range n {
		mustClaim(t, again, repeatable(fmt.Sprint(i)), consumer.AnswerDelivered)
	}
}

// TestCloseHasABound: a disk that does not answer holds nobody.
func TestCloseHasABound(t *testing.T) {
	f := newFaults()
	s, err := Open(t.Context(), Options{Path: ledgerPath(t), CloseTimeout: time.Millisecond, seams: seams{fault: f.at}})
	must(t, err)
	c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	reached, open := f.hold("commit")
	done := make(chan error, 1)
	go func() { done <- s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), nil) }()
	<-reached
	if err := s.Close(); err == nil {
		t.Error("Close of a disk that does not answer: no error")
	}
	open()
	must(t, <-done)
	<-s.shut
	mustClaim(t, openAt(t, s.path, Options{}), repeatable("a"), consumer.AnswerDelivered)
}

func TestFullQueueWaitsForItsContext(t *testing.T) {
	s, _ := faultyStore(t)
	full := make(chan int)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { failed <- queue(ctx, s, full, 1) }()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("queue: %v, want context.Canceled", err)
	}
	go func() { failed <- queue(t.Context(), s, full, 1) }()
	must(t, s.Close())
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("queue: %v, want ErrClosed", err)
	}
}

func TestReplacedFileBreaks(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, nil, 0o600))
		},
	} {
		s := openAt(t, ledgerPath(t), Options{})
		must(t, s.Healthy())
		must(t, replace(s.path))
		if err := s.Healthy(); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: Healthy: %v, want ErrBroken", name, err)
		}
		if _, err := s.Claim(t.Context(), repeatable("a")); !errors.Is(err, ErrBroken) {
			t.Errorf("%s: Claim: %v, want ErrBroken", name, err)
		}
	}
}
