package dedup

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// TestMarksOfEndedClaims: only what was being called when the process ended is in doubt afterwards.
func TestMarksOfEndedClaims(t *testing.T) {
	for _, restart := range restarts {
		t.Run(restart.name, func(t *testing.T) {
			s := openAt(t, ledgerPath(t), Options{})
			claim := func(id string) uint64 { return mustClaim(t, s, repeatable(id), consumer.AnswerMine).Token }
			ctx := t.Context()
			must(t, s.Delivered(ctx, idOf("delivered"), claim("delivered"), contentNo(1), nil))
			must(t, s.Unknown(ctx, idOf("unknown"), claim("unknown"), contentNo(1), someHistory(1)))
			must(t, s.Failed(ctx, idOf("failed"), claim("failed"), someHistory(2)))
			must(t, s.Release(ctx, idOf("released"), claim("released")))
			must(t, s.Forget(ctx, idOf("forgotten"), claim("forgotten")))
			claim("cut off")
			claim("failed")
			must(t, s.Release(ctx, idOf("failed"), claimAgain(t, s, "failed")))

			s = openAt(t, restart.next(t, s), Options{})
			mustClaim(t, s, repeatable("delivered"), consumer.AnswerDelivered)
			for id, want := range map[string]retry.History{
				"unknown": someHistory(1), "failed": someHistory(2), "released": {}, "forgotten": {},
			} {
				if c := mustClaim(t, s, repeatable(id), consumer.AnswerMine); c.History != want {
					t.Errorf("%s came with %+v", id, c.History)
				}
			}
			if c := mustClaim(t, s, repeatable("cut off"), consumer.AnswerMine); c.History.Attempts != 1 || !c.History.Ambiguous {
				t.Errorf("cut off came with %+v", c.History)
			}
		})
	}
}

// TestMarksAreUsedAgain: the file does not grow, and a claim beyond its slots is an error and no call.
func TestMarksAreUsedAgain(t *testing.T) {
	m, held, err := openMarks(ledgerPath(t))
	must(t, err)
	defer func() { must(t, m.close()) }()
	if len(held) != 0 {
		t.Errorf("%d keys in a new file", len(held))
	}
	for i := range markSlots {
		slot, err := m.set(keyNo(i))
		must(t, err)
		if i%2 == 0 {
			m.end(slot)
		}
	}
	for range markSlots {
		if _, err = m.set(keyNo(1)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("more claims than slots")
	}
	info, err := os.Stat(m.file.Name())
	must(t, err)
	if info.Size() != int64(markSlots*markSize) {
		t.Errorf("the file has %d bytes", info.Size())
	}
}

// TestMarkThatCannotBeSet: no claim without a mark.
func TestMarkThatCannotBeSet(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{})
	s.marks.mu.Lock()
	s.marks.next = markSlots // as many claims as there are slots
	s.marks.mu.Unlock()
	if c, err := s.Claim(t.Context(), repeatable("a")); err == nil || c.Token != 0 {
		t.Errorf("claim %+v, %v", c, err)
	}
	s.marks.end(0)
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
}

// TestManyDoubts: a crash with many calls under way is written down at once.
func TestManyDoubts(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{})
	const n = 2000
	for i := range n {
		mustClaim(t, s, repeatable(fmt.Sprint(i)), consumer.AnswerMine)
	}
	s = openAt(t, crashed(t, s), Options{})
	if got := s.entries.Load(); got != n {
		t.Errorf("%d entries", got)
	}
	for i := range n {
		if c := mustClaim(t, s, repeatable(fmt.Sprint(i)), consumer.AnswerMine); !c.History.Ambiguous {
			t.Fatalf("%d came with %+v", i, c.History)
		}
	}
}

// claimAgain waits out the claim that is held and takes it over.
func claimAgain(t *testing.T, s *SQLite, id string) uint64 {
	t.Helper()
	l := s.claims.lock(keyOf(idOf(id)))
	l.entries[keyOf(idOf(id))].deadline = s.now()
	l.Unlock()
	return mustClaim(t, s, repeatable(id), consumer.AnswerMine).Token
}

// TestMarkThatOutlivesItsRow: the mark of a success is emptied before its row is too old.
func TestMarkThatOutlivesItsRow(t *testing.T) {
	c := newClock()
	s := openAt(t, ledgerPath(t), Options{Now: c.Now, Retention: 24 * time.Hour})
	deliver(t, s, "old")
	c.advance(48 * time.Hour)
	newer := mustClaim(t, s, once("newer"), consumer.AnswerMine)
	must(t, s.Delivered(t.Context(), idOf("newer"), newer.Token, contentNo(1), nil))
	must(t, s.sweep(t.Context()))
	must(t, s.Close())
	s = openAt(t, s.path, Options{Now: c.Now, Retention: 24 * time.Hour})
	if got := mustClaim(t, s, repeatable("old"), consumer.AnswerMine); got.History != (retry.History{}) || s.entries.Load() != 1 {
		t.Errorf("an id that is forgotten came with %+v; %d entries", got.History, s.entries.Load())
	}
}

// TestDoubtOfADurableClaim: a claim that was written because the disk had been full is in doubt after a crash like others.
func TestDoubtOfADurableClaim(t *testing.T) {
	s, f := faultyStore(t)
	mine := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	f.fail("write", sqliteError(codeFull))
	if err := s.Delivered(t.Context(), idOf("a"), mine.Token, contentNo(1), nil); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	f.fail("write", nil)
	mustClaim(t, s, repeatable("b"), consumer.AnswerMine)
	s = openAt(t, crashed(t, s), Options{})
	if c := mustClaim(t, s, repeatable("b"), consumer.AnswerMine); !c.History.Ambiguous || c.History.Attempts != 1 {
		t.Errorf("b came with %+v", c.History)
	}
}

// TestClaimsThatEndAfterClose: a caller that is late finds no mapped file, and must not end the process.
func TestClaimsThatEndAfterClose(t *testing.T) {
	m, _, err := openMarks(ledgerPath(t))
	must(t, err)
	slot, err := m.set(keyNo(1))
	must(t, err)
	must(t, m.close())
	m.end(slot)
	if _, err := m.set(keyNo(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}
