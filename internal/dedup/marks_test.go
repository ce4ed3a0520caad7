package dedup

import (
	"fmt"
	"os"
	"testing"

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
			m.end(slot, i%4 == 0)
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
	must(t, s.marks.file.Close())
	if c, err := s.Claim(t.Context(), repeatable("a")); err == nil || c.Token != 0 {
		t.Errorf("claim %+v, %v", c, err)
	}
	f, err := os.OpenFile(s.path+"-claims", os.O_RDWR, 0)
	must(t, err)
	s.marks.file = f
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
