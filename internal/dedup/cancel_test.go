package dedup

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// What happens to callers that go away, and to work that is queued when the store closes.

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

// TestCancelledClaimStaysAbandoned: going away while it is noted that a claim had no result does not undo it.
func TestCancelledClaimStaysAbandoned(t *testing.T) {
	f, clock := newFaults(), newClock()
	s := openAt(t, ledgerPath(t), Options{Now: clock.Now, seams: seams{fault: f.at}})
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	clock.advance(lease)
	reached, open := f.hold("commit")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() { // now it is not repeatable: its schema was changed
		_, err := s.Claim(ctx, once("a"))
		failed <- err
	}()
	<-reached
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Claim: %v, want context.Canceled", err)
	}
	open()
	must(t, s.PutState(t.Context(), "x", nil))
	must(t, s.PutState(t.Context(), "x", nil))
	mustClaim(t, s, once("a"), consumer.AnswerAbandoned)
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

// TestCancelledAtTheMomentOfTheAnswer: a claim that was granted is the caller's, also where the caller was just leaving;
// as an orphan it would be held by nobody until its deadline.
func TestCancelledAtTheMomentOfTheAnswer(t *testing.T) {
	s, _ := faultyStore(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // select takes either of two that are ready
		e := &entry{key: keyOf(idOf("a")), repeatable: true, lease: lease}
		lookup, claim := newRead(e, content{}), newWrite(e, writeClaim, row{})
		s.finishRead(lookup, row{}, nil)
		s.finishWrite(claim, nil)
		for _, op := range []*result{&lookup.result, &claim.result} {
			if err := s.await(ctx, e, op); err != nil || e.orphaned || len(op.done) > 0 {
				t.Fatalf("await: %v, orphaned %v, tokens left %d", err, e.orphaned, len(op.done))
			}
		}
	}
}

// TestPoolGetsNoTokens cancels callers at every moment, and then finds every operation in the pool answered by its own
// result: one with a token left over would answer before its row was read or written.
func TestPoolGetsNoTokens(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{seams: seams{pragmas: fast}})
	must(t, callers(16, 3000, func(i int) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if i%3 == 0 {
			go cancel()
		}
		r := repeatable(fmt.Sprint(i))
		r.Repeatable = i%2 == 0
		c, err := s.Claim(ctx, r)
		if err == nil && c.Answer != consumer.AnswerMine {
			return fmt.Errorf("claim %d: answer %d", i, c.Answer)
		}
		if err == nil {
			err = s.Delivered(ctx, r.Key, c.Token, r.Content, nil)
		}
		if errors.Is(err, context.Canceled) {
			return nil
		}
		if err == nil {
			c, err = s.Claim(t.Context(), r)
		}
		if err == nil && c.Answer != consumer.AnswerDelivered {
			err = fmt.Errorf("id %d was delivered, and then: answer %d", i, c.Answer)
		}
		return err
	}))
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
