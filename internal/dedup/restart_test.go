package dedup

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// crashed is the path of what the disk would hold if the process of s ended now: a copy of its files. Nothing is being
// written while a test makes it, so that the copy is what kill -9 leaves behind (process_test.go does the real thing).
func crashed(t *testing.T, s *SQLite) string {
	t.Helper()
	to := ledgerPath(t)
	for _, suffix := range []string{"", "-wal", "-claims"} {
		from, err := os.Open(s.path + suffix)
		must(t, err)
		copied, err := os.Create(to + suffix)
		must(t, err)
		_, err = io.Copy(copied, from)
		must(t, err)
		must(t, copied.Close())
		must(t, from.Close())
	}
	return to
}

// restarts are the two ways to the next process: after Close, and after a crash.
var restarts = []struct {
	name string
	next func(t *testing.T, s *SQLite) string
}{
	{"closed", func(t *testing.T, s *SQLite) string {
		must(t, s.Close())
		return s.path
	}},
	{"crashed", crashed},
}

func TestRestartKeepsResults(t *testing.T) {
	for _, restart := range restarts {
		t.Run(restart.name, func(t *testing.T) {
			s := openAt(t, ledgerPath(t), Options{})
			ctx := t.Context()
			c := mustClaim(t, s, repeatable("delivered"), consumer.AnswerMine)
			must(t, s.Delivered(ctx, idOf("delivered"), c.Token, contentNo(1), []byte(`{"ok":true}`)))
			c = mustClaim(t, s, once("unknown"), consumer.AnswerMine)
			must(t, s.Unknown(ctx, idOf("unknown"), c.Token, contentNo(1), someHistory(2)))
			for _, r := range []consumer.ClaimRequest{repeatable("failed"), once("failed once")} {
				c = mustClaim(t, s, r, consumer.AnswerMine)
				must(t, s.Failed(ctx, r.Key, c.Token, someHistory(3)))
			}
			c = mustClaim(t, s, once("forgotten"), consumer.AnswerMine)
			must(t, s.Forget(ctx, idOf("forgotten"), c.Token))
			c = mustClaim(t, s, once("released"), consumer.AnswerMine)
			must(t, s.Release(ctx, idOf("released"), c.Token))
			must(t, s.PutState(ctx, "bans", []byte("[1]")))

			s = openAt(t, restart.next(t, s), Options{})
			other := repeatable("delivered")
			other.Content = contentNo(2)
			if c := mustClaim(t, s, other, consumer.AnswerDelivered); string(c.Reply) != `{"ok":true}` || !c.Conflict {
				t.Errorf("delivered came back as %+v", c)
			}
			other.Key = idOf("unknown")
			if c := mustClaim(t, s, other, consumer.AnswerUnknown); c.History != someHistory(2) || !c.Conflict {
				t.Errorf("unknown came back as %+v", c)
			}
			for _, r := range []consumer.ClaimRequest{repeatable("failed"), once("failed once")} {
				if c := mustClaim(t, s, r, consumer.AnswerMine); c.History != someHistory(3) {
					t.Errorf("%s came back with %+v", r.Key.ID, c.History)
				}
			}
			mustClaim(t, s, once("forgotten"), consumer.AnswerMine)
			mustClaim(t, s, once("released"), consumer.AnswerMine)
			if v, ok, err := s.GetState(ctx, "bans"); string(v) != "[1]" || !ok || err != nil {
				t.Errorf("state came back as %q, %v, %v", v, ok, err)
			}
		})
	}
}

// TestRestartTakesClaimsOver: whatever a former process was on is free at once, but for what must not be repeated.
func TestRestartTakesClaimsOver(t *testing.T) {
	for _, restart := range restarts {
		t.Run(restart.name, func(t *testing.T) {
			ctx := context.Background()
			s := openAt(t, ledgerPath(t), Options{})
			mustClaim(t, s, repeatable("new"), consumer.AnswerMine)
			for _, r := range []consumer.ClaimRequest{repeatable("failed"), once("failed once")} {
				c := mustClaim(t, s, r, consumer.AnswerMine)
				must(t, s.Failed(ctx, r.Key, c.Token, someHistory(1)))
				mustClaim(t, s, r, consumer.AnswerMine)
			}
			mustClaim(t, s, once("once"), consumer.AnswerMine)

			var last consumer.Claim
			for n := range 3 { // it stays so from process to process, and each attempt that was cut off counts
				s = openAt(t, restart.next(t, s), Options{})
				if c := mustClaim(t, s, repeatable("new"), consumer.AnswerMine); c.History.Attempts != n+1 || !c.History.Ambiguous || c.History.FirstFailedAt.IsZero() {
					t.Errorf("new came with %+v", c.History)
				}
				want := someHistory(1)
				want.Attempts += n + 1
				if c := mustClaim(t, s, repeatable("failed"), consumer.AnswerMine); c.History != want {
					t.Errorf("failed came with %+v", c.History)
				}
				if c := mustClaim(t, s, once("failed once"), consumer.AnswerAbandoned); c.History != someHistory(1) {
					t.Errorf("failed once came with %+v", c.History)
				}
				last = mustClaim(t, s, once("once"), consumer.AnswerAbandoned)
			}
			must(t, s.Unknown(ctx, idOf("once"), last.Token, contentNo(1), retry.History{}))
			s = openAt(t, restart.next(t, s), Options{})
			mustClaim(t, s, once("once"), consumer.AnswerUnknown)
			c := mustClaim(t, s, once("failed once"), consumer.AnswerAbandoned)
			must(t, s.Forget(ctx, idOf("failed once"), c.Token))
			s = openAt(t, restart.next(t, s), Options{})
			mustClaim(t, s, once("failed once"), consumer.AnswerMine)
		})
	}
}

func TestRestartGivesOtherTokens(t *testing.T) {
	path := ledgerPath(t)
	seen := make(map[uint64]bool)
	for range 4 {
		s := openAt(t, path, Options{})
		for i := range 5 {
			c := mustClaim(t, s, repeatable(fmt.Sprint(i)), consumer.AnswerMine)
			if seen[c.Token] {
				t.Fatalf("token %d was given twice", c.Token)
			}
			seen[c.Token] = true
		}
		must(t, s.Close())
	}
}

func TestEntriesSurviveARestart(t *testing.T) {
	s := openAt(t, ledgerPath(t), Options{})
	for i := range 20 {
		deliver(t, s, fmt.Sprint(i))
	}
	for range 2 { // a new row, and a change of it
		c := mustClaim(t, s, repeatable("failed"), consumer.AnswerMine)
		must(t, s.Failed(t.Context(), idOf("failed"), c.Token, someHistory(1)))
	}
	c := mustClaim(t, s, once("forgotten"), consumer.AnswerMine)
	must(t, s.Forget(t.Context(), idOf("forgotten"), c.Token))
	if n := s.entries.Load(); n != 21 {
		t.Errorf("%d entries, want 21", n)
	}
	s = openAt(t, crashed(t, s), Options{})
	if n := s.entries.Load(); n != 21 {
		t.Errorf("after a restart %d entries, want 21", n)
	}
}

func TestSweepInManySteps(t *testing.T) {
	c := newClock()
	s := openAt(t, ledgerPath(t), Options{Now: c.Now, Retention: 24 * time.Hour})
	const old, fresh = 3*sweepRows + 17, 2 * sweepRows
	must(t, callers(64, old, func(i int) error { return benchCycle(t.Context(), s, benchRequest(i)) }))
	c.advance(25 * time.Hour)
	must(t, callers(64, fresh, func(i int) error { return benchCycle(t.Context(), s, benchRequest(old+i)) }))
	must(t, s.sweep(t.Context()))
	if n := s.entries.Load(); n != fresh {
		t.Errorf("%d entries, want %d", n, fresh)
	}
	must(t, s.Close())
	s = openAt(t, s.path, Options{Now: c.Now, Retention: 24 * time.Hour})
	count := func(w *writer) (err error) {
		n, err := w.conn.int1("SELECT count(*) FROM ledger")
		if err == nil && n != fresh {
			err = fmt.Errorf("%d rows, want %d", n, fresh)
		}
		return err
	}
	must(t, s.do(t.Context(), false, count))
}

// TestSweepDeletesAHistoryUnderAClaim: a claim outlives the history that it found, and its result is a row of its own.
func TestSweepDeletesAHistoryUnderAClaim(t *testing.T) {
	clock := newClock()
	s := openAt(t, ledgerPath(t), Options{Now: clock.Now, Retention: 24 * time.Hour})
	for _, id := range []string{"delivered", "forgotten"} {
		c := mustClaim(t, s, repeatable(id), consumer.AnswerMine)
		must(t, s.Failed(t.Context(), idOf(id), c.Token, someHistory(1)))
	}
	delivered := mustClaim(t, s, repeatable("delivered"), consumer.AnswerMine)
	forgotten := mustClaim(t, s, repeatable("forgotten"), consumer.AnswerMine)
	clock.advance(25 * time.Hour)
	must(t, s.sweep(t.Context()))
	if n := s.entries.Load(); n != 0 {
		t.Fatalf("%d entries after the sweep", n)
	}
	must(t, s.Delivered(t.Context(), idOf("delivered"), delivered.Token, contentNo(1), nil))
	must(t, s.Forget(t.Context(), idOf("forgotten"), forgotten.Token))
	if n := s.entries.Load(); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	mustClaim(t, s, repeatable("delivered"), consumer.AnswerDelivered)
}

// TestSweepLeavesClaimsWithoutAResult: only a result ends the doubt, however old it is.
func TestSweepLeavesClaimsWithoutAResult(t *testing.T) {
	clock := newClock()
	s := openAt(t, ledgerPath(t), Options{Now: clock.Now})
	mustClaim(t, s, once("a"), consumer.AnswerMine)
	deliver(t, s, "b") // an old neighbour that goes
	s = openAt(t, crashed(t, s), Options{Now: clock.Now})
	clock.advance(2 * DefaultRetention)
	must(t, s.sweep(t.Context()))
	mustClaim(t, s, repeatable("b"), consumer.AnswerMine)
	mustClaim(t, s, once("a"), consumer.AnswerAbandoned)
}

// TestSweepMistrustsAClockFarAhead: a machine that starts with a wrong clock does not forget everything.
func TestSweepMistrustsAClockFarAhead(t *testing.T) {
	c := newClock()
	path := ledgerPath(t)
	s := openAt(t, path, Options{Now: c.Now})
	deliver(t, s, "a")
	must(t, s.Close())
	c.advance(10 * 365 * 24 * time.Hour)
	s = openAt(t, path, Options{Now: c.Now})
	must(t, s.sweep(t.Context()))
	mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered)
	c.advance(DefaultRetention + time.Second) // and yet time passes
	must(t, s.sweep(t.Context()))
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
}

func TestCheckpointMovesTheLogIntoTheFile(t *testing.T) {
	moved := make(chan struct{}, 16)
	o := Options{seams: seams{checkpointPages: 64, fault: func(step string) error {
		if step == "checkpoint" {
			select {
			case moved <- struct{}{}:
			default:
			}
		}
		return nil
	}}}
	s := openAt(t, ledgerPath(t), o)
	for i := 0; i < 64 && len(moved) < 2; i++ { // beside the traffic, then by the writer
		deliver(t, s, fmt.Sprint(i))
	}
	<-moved
	<-moved
	must(t, s.do(t.Context(), false, func(w *writer) error { // comes after the writer's part
		if w.pages > 64 {
			return fmt.Errorf("%d pages are still counted after the checkpoint", w.pages)
		}
		return nil
	}))
	info, err := os.Stat(s.path)
	must(t, err)
	if info.Size() < 4*pageSize {
		t.Errorf("the file has %d bytes: nothing was moved into it", info.Size())
	}
	must(t, s.Close())
	if left, err := filepath.Glob(s.path + "-*"); err != nil || len(left) != 1 || left[0] != s.path+"-claims" {
		t.Errorf("Close left %v, %v", left, err)
	}
	s = openAt(t, s.path, Options{})
	mustClaim(t, s, repeatable("0"), consumer.AnswerDelivered)
}
