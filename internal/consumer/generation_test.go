package consumer

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/top"
)

// A rebalance drops what waits at once, and the next owner finds it uncommitted.
func TestRebalanceDropsWhatWaits(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.key == "1" {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("waits", 1), status("behind", 1), status("done", 2))
		g.rebalance()
		synctest.Wait()
		if !g.isReleased() {
			t.Fatal("the generation is not released although nothing runs")
		}
		r.metric(`toprelay_rebalances_total`, 1)
		r.metric(`toprelay_keys_waiting{reason="retry"}`, 0)
		r.pass(10 * time.Second)
		r.want("calls after it", len(r.caller.all()), 2)
		if r.worker.State() != Joining {
			t.Errorf("state %v", r.worker.State())
		}

		// The second generation goes on where the first committed. What was done is recognised, tries go on as they were due.
		r.caller.answer(nil)
		r.kafka.assign(part(0))
		r.pass(time.Second)
		outcomes := r.results.outcomes()
		if waits, behind := slices.Index(outcomes, "waits delivered"), slices.Index(outcomes, "behind delivered"); waits < 0 || waits > behind {
			t.Errorf("settled in the order %v", outcomes)
		}
		slices.Sort(outcomes)
		r.want("settled", outcomes, []string{"behind delivered", "done delivered", "done delivered", "waits delivered"})
		r.want("committed", r.kafka.at(part(0)), 3)
	})
}

// Calls in flight get the drain's time; meanwhile commits renew the membership; then everything is committed, and Release
// comes last.
func TestRebalanceLetsCallsFinish(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.lasting(func(fakeCall) time.Duration { return 4 * time.Second })
		r.produce(status("e-1", 1), status("e-2", 1), status("e-3", 2))
		r.pass(commitInterval)
		before := len(g.committed())
		g.rebalance()
		r.pass(3 * time.Second)
		if g.isReleased() {
			t.Fatal("released with a call in flight")
		}
		if n := len(g.committed()) - before; n < 2 || n > 4 {
			t.Errorf("%d commits in 3 s of draining, want one a second", n)
		}
		fetches := g.fetched(part(0))
		r.kafka.append(part(0), status("late", 3))
		r.pass(1500 * time.Millisecond)
		r.want("fetches while draining", g.fetched(part(0)), fetches)
		r.want("settled", len(r.results.list()), 2) // e-1 and e-3; e-2 was waiting behind e-1
		r.want("calls", len(r.caller.all()), 2)
		r.want("committed", r.kafka.at(part(0)), 1)
		if !g.isReleased() {
			t.Fatal("not released after the last call")
		}
		lines := r.trace.lines
		if last := lines[len(lines)-1]; last != "release" || lines[len(lines)-2] != "commit 1" {
			t.Errorf("the last steps are %v", lines[len(lines)-3:])
		}
	})
}

// A call that outlasts the drain is cancelled with a cause. It costs no attempt, and nothing is committed past it.
func TestDrainEnds(t *testing.T) {
	for _, method := range []string{"repeatable", "not repeatable"} {
		t.Run(method, func(t *testing.T) {
			in(t, func(s *setup) { s.repeats = true }, func(r *rig) {
				g := r.kafka.assign(part(0))
				r.start()
				hangs := status("hangs", 1)
				if method == "not repeatable" {
					hangs = create("hangs")
				}
				r.caller.lasting(func(c fakeCall) time.Duration {
					if c.n == 1 {
						return time.Hour
					}
					return 0
				})
				r.produce(hangs)
				g.rebalance()
				r.pass(4900 * time.Millisecond)
				r.want("calls ended", len(r.caller.all()), 0)
				r.pass(200 * time.Millisecond)
				if !g.isReleased() {
					t.Fatal("the drain's time is over and the generation is not released")
				}
				if len(r.caller.causes) != 1 || !errors.Is(r.caller.causes[0], errDrained) {
					t.Errorf("causes %v, want %v", r.caller.causes, errDrained)
				}
				r.want("committed", r.kafka.at(part(0)), 0)
				r.want("settled", r.results.outcomes(), []string{})
				k, _ := r.keyOf(hangs)
				row, _ := r.ledger.row(k)
				if repeatable := method == "repeatable"; row.claimed == repeatable || row.history.Attempts != 0 || row.history.Ambiguous != repeatable {
					t.Errorf("the ledger has %+v", row)
				}

				r.kafka.assign(part(0))
				r.pass(16 * time.Second) // a claim that was left ends with its lease
				if method == "repeatable" {
					r.want("settled", r.results.outcomes(), []string{"hangs delivered"})
					r.want("attempts", r.results.list()[0].Attempts, 1)
				} else {
					r.want("letters", r.letters.reasons(), []string{"hangs outcome_unknown"})
					r.want("calls", len(r.caller.all()), 1)
				}
			})
		})
	}
}

// An attempt that does not end although it was cancelled holds the drain no longer than its bound.
func TestDrainGivesUp(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		hang := make(chan struct{})
		r.letters.hang = hang
		r.produce(status("e-1", 1, value("")))
		r.pass(time.Second)
		g.rebalance()
		r.pass(r.setup.options.DrainTimeout + hardStop)
		if !g.isReleased() {
			t.Fatal("not released after the hard stop")
		}
		if len(r.logs.with(t, "attempts did not end although they were cancelled; their events stay unsettled")) != 1 {
			t.Error("it was not said")
		}
		r.want("committed", r.kafka.at(part(0)), 0)
		close(hang)
		r.pass(time.Second)
	})
}

// A stop drains as a live member: what runs finishes and is committed, Run returns nil.
func TestShutdownDrains(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(1))
		r.start()
		r.caller.lasting(func(fakeCall) time.Duration { return 3 * time.Second })
		r.produce(status("e-1", 1), status("e-2", 1))
		r.kafka.append(part(1), status("e-3", 2))
		r.pass(time.Second)
		r.cancel()
		synctest.Wait()
		if r.worker.State() != Draining {
			t.Errorf("state %v while draining", r.worker.State())
		}
		r.stop()
		r.want("settled", len(r.results.list()), 2)
		r.want("committed", []int64{r.kafka.at(part(0)), r.kafka.at(part(1))}, []int64{1, 1})
		if !g.isReleased() {
			t.Error("not released")
		}
	})
}

// A stop while nothing is assigned returns at once.
func TestShutdownWhileJoining(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.start()
		if r.worker.State() != Joining {
			t.Errorf("state %v", r.worker.State())
		}
		start := time.Now()
		r.stop()
		r.want("time", time.Since(start), time.Duration(0))
	})
}

// Joining fails for a while: the worker goes on trying once a second and says so once a minute.
func TestJoinIsRetried(t *testing.T) {
	in(t, nil, func(r *rig) {
		for range 100 {
			r.kafka.joinErrs = append(r.kafka.joinErrs, errors.New("coordinator is loading"))
		}
		r.kafka.assign(part(0))
		r.start()
		r.pass(99 * time.Second)
		r.want("joins", r.kafka.joined(), 100)
		if n := len(r.logs.with(t, "no assignment from the consumer group")); n != 2 {
			t.Errorf("said %d times in 99 s", n)
		}
		r.pass(time.Second)
		r.produce(status("e-1", 1))
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		if len(r.logs.with(t, "the group gave an assignment")) != 1 {
			t.Error("its end was not said")
		}
	})
}

// A generation is not released before its last fetch has returned: what that brings must not come into a partition that
// was let go.
func TestReleaseAwaitsTheFetch(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		g.lingers = 2 * time.Second
		r.start()
		g.rebalance()
		r.pass(1900 * time.Millisecond)
		if g.isReleased() {
			t.Fatal("released while a fetch was under way")
		}
		r.pass(200 * time.Millisecond)
		if !g.isReleased() {
			t.Fatal("not released after the last fetch")
		}
	})
}

// A key that the gate refuses alone is tried when the gate has said, not at the next look: here one that comes again with
// another generation, half a second before.
func TestParkedKeyIsTriedInTime(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.answer(func(fakeCall) top.Reply { return sessionDead() })
		r.produce(status("e-1", 1))
		r.pass(29500 * time.Millisecond)
		g.rebalance()
		r.kafka.assign(part(0))
		r.pass(499 * time.Millisecond)
		r.want("calls", len(r.caller.all()), 1)
		r.pass(2 * time.Millisecond)
		r.want("calls", len(r.caller.all()), 2)
	})
}
