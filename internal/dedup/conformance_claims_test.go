package dedup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// The rules of conformance_test.go that speak of who holds a claim.

func heldIsBusy(t *testing.T, s store, c *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		mustClaim(t, s, r, consumer.AnswerMine)
		deadline := c.Now().Add(lease)
		for range 2 {
			if busy := mustClaim(t, s, r, consumer.AnswerBusy); busy.BusyUntil.Sub(deadline).Abs() > time.Microsecond { // Redis counts no less
				t.Errorf("busy until %v, want %v", busy.BusyUntil, deadline)
			}
			c.advance(lease / 3)
		}
	}
}

func takenOver(t *testing.T, s store, c *clock) {
	first := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	must(t, s.Failed(t.Context(), idOf("a"), first.Token, someHistory(1)))
	first = mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	c.advance(lease)
	second := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	if second.History != someHistory(1) {
		t.Errorf("the successor got history %+v", second.History)
	}
	for name, err := range everyEnd(t.Context(), s, idOf("a"), first.Token) {
		if !errors.Is(err, consumer.ErrClaimLost) {
			t.Errorf("%s with the old token: %v, want ErrClaimLost", name, err)
		}
	}
	mustClaim(t, s, repeatable("a"), consumer.AnswerBusy)
	must(t, s.Delivered(t.Context(), idOf("a"), second.Token, contentNo(1), nil))
	mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered)
}

// everyEnd tries each way to end a claim.
func everyEnd(ctx context.Context, s store, k consumer.LedgerKey, token uint64) map[string]error {
	return map[string]error{
		"Delivered": s.Delivered(ctx, k, token, contentNo(1), nil),
		"Unknown":   s.Unknown(ctx, k, token, contentNo(1), retry.History{}),
		"Failed":    s.Failed(ctx, k, token, retry.History{}),
		"Release":   s.Release(ctx, k, token),
		"Forget":    s.Forget(ctx, k, token),
	}
}

func lateButNotTakenOver(t *testing.T, s store, c *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		claim := mustClaim(t, s, r, consumer.AnswerMine)
		c.advance(10 * lease)
		must(t, s.Delivered(t.Context(), r.Key, claim.Token, r.Content, nil))
		mustClaim(t, s, r, consumer.AnswerDelivered)
	}
}

func abandoned(t *testing.T, s store, c *clock) {
	first := mustClaim(t, s, once("a"), consumer.AnswerMine)
	must(t, s.Failed(t.Context(), idOf("a"), first.Token, someHistory(1)))
	first = mustClaim(t, s, once("a"), consumer.AnswerMine)
	c.advance(lease)
	second := mustClaim(t, s, once("a"), consumer.AnswerAbandoned)
	if second.History != someHistory(1) {
		t.Errorf("abandoned came with history %+v", second.History)
	}
	if err := s.Delivered(t.Context(), idOf("a"), first.Token, contentNo(1), nil); !errors.Is(err, consumer.ErrClaimLost) {
		t.Errorf("the first holder: %v, want ErrClaimLost", err)
	}
	mustClaim(t, s, once("a"), consumer.AnswerBusy)
	// Neither the passing of time nor what does not say how it ended makes it callable again.
	c.advance(lease)
	third := mustClaim(t, s, once("a"), consumer.AnswerAbandoned)
	must(t, s.Release(t.Context(), idOf("a"), third.Token))
	fourth := mustClaim(t, s, once("a"), consumer.AnswerAbandoned)
	must(t, s.Failed(t.Context(), idOf("a"), fourth.Token, someHistory(2)))
	if fifth := mustClaim(t, s, once("a"), consumer.AnswerAbandoned); fifth.History != someHistory(2) {
		t.Errorf("abandoned came with history %+v", fifth.History)
	}
}

func abandonedEnds(t *testing.T, s store, c *clock) {
	for name, end := range map[string]struct {
		how  func(k consumer.LedgerKey, token uint64) error
		then consumer.Answer
	}{
		"unknown": {func(k consumer.LedgerKey, token uint64) error {
			return s.Unknown(t.Context(), k, token, contentNo(1), someHistory(1))
		}, consumer.AnswerUnknown},
		"delivered": {func(k consumer.LedgerKey, token uint64) error {
			return s.Delivered(t.Context(), k, token, contentNo(1), nil)
		}, consumer.AnswerDelivered},
		"forget": {func(k consumer.LedgerKey, token uint64) error {
			return s.Forget(t.Context(), k, token)
		}, consumer.AnswerMine},
	} {
		mustClaim(t, s, once(name), consumer.AnswerMine)
		c.advance(lease)
		a := mustClaim(t, s, once(name), consumer.AnswerAbandoned)
		must(t, end.how(idOf(name), a.Token))
		mustClaim(t, s, once(name), end.then)
	}
}

func oneOfMany(t *testing.T, s store, _ *clock) {
	for _, r := range []consumer.ClaimRequest{repeatable("a"), once("b")} {
		var mu sync.Mutex
		var mine []uint64
		must(t, callers(32, 320, func(int) error {
			c, err := s.Claim(t.Context(), r)
			switch {
			case err != nil:
				return err
			case c.Answer == consumer.AnswerMine:
				mu.Lock()
				defer mu.Unlock()
				mine = append(mine, c.Token)
			case c.Answer != consumer.AnswerBusy:
				return fmt.Errorf("answer %s", answerName(c.Answer))
			}
			return nil
		}))
		if len(mine) != 1 {
			t.Fatalf("%s was claimed by %d callers", r.Key.ID, len(mine))
		}
		must(t, s.Delivered(t.Context(), r.Key, mine[0], r.Content, nil))
	}
}

func waitersShareTheLookup(t *testing.T, s store, _ *clock) {
	deliver(t, s, "a")
	other := repeatable("a")
	other.Content = contentNo(2)
	must(t, callers(32, 3200, func(i int) error {
		r := repeatable("a")
		if i%2 == 1 {
			r = other
		}
		c, err := s.Claim(t.Context(), r)
		if err == nil && (c.Answer != consumer.AnswerDelivered || c.Conflict != (i%2 == 1)) {
			err = fmt.Errorf("answer %s, conflict %v to caller %d", answerName(c.Answer), c.Conflict, i)
		}
		return err
	}))
}

func tokensDiffer(t *testing.T, s store, _ *clock) {
	seen := make(map[uint64]bool)
	for i := range 100 {
		r := repeatable(fmt.Sprint(i % 3))
		c := mustClaim(t, s, r, consumer.AnswerMine)
		if seen[c.Token] {
			t.Fatalf("token %d was given twice", c.Token)
		}
		seen[c.Token] = true
		must(t, s.Release(t.Context(), r.Key, c.Token))
	}
}

func tokenEndsOnce(t *testing.T, s store, _ *clock) {
	for i, end := range []func(k consumer.LedgerKey, token uint64) error{
		func(k consumer.LedgerKey, token uint64) error {
			return s.Delivered(t.Context(), k, token, contentNo(1), nil)
		},
		func(k consumer.LedgerKey, token uint64) error {
			return s.Unknown(t.Context(), k, token, contentNo(1), retry.History{})
		},
		func(k consumer.LedgerKey, token uint64) error {
			return s.Failed(t.Context(), k, token, someHistory(1))
		},
		func(k consumer.LedgerKey, token uint64) error { return s.Release(t.Context(), k, token) },
		func(k consumer.LedgerKey, token uint64) error { return s.Forget(t.Context(), k, token) },
	} {
		for _, r := range []consumer.ClaimRequest{repeatable(fmt.Sprint("r", i)), once(fmt.Sprint("o", i))} {
			c := mustClaim(t, s, r, consumer.AnswerMine)
			if err := end(r.Key, c.Token+1); !errors.Is(err, consumer.ErrClaimLost) {
				t.Errorf("end %d with a token of nobody: %v", i, err)
			}
			must(t, end(r.Key, c.Token))
			for name, err := range everyEnd(t.Context(), s, r.Key, c.Token) {
				if name == sameAgain(s, i) {
					must(t, err)
				} else if !errors.Is(err, consumer.ErrClaimLost) {
					t.Errorf("%s after end %d: %v, want ErrClaimLost", name, i, err)
				}
			}
		}
	}
}

// sameAgain is the end that may follow end i with the same token: over a network an answer can be lost, and who asks again
// must hear that it was done. Release and Forget leave nothing that could say it.
func sameAgain(s store, i int) string {
	if _, ok := s.(*Redis); !ok {
		return ""
	}
	return []string{"Delivered", "Unknown", "Failed", "", ""}[i]
}
