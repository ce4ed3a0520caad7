package retry

import (
	"fmt"
	"testing"
	"time"
)

// trip opens the breaker of a scope's method with five failures of two keys.
func trip(w *world, s Scope) {
	w.t.Helper()
	for i := range 5 {
		w.call(s, fmt.Sprint("k", 1+i%2), failed)
	}
	w.refused(s, "k1", ReasonBreakerOpen, 15*time.Second, false)
}

// Five failures in a row, however far apart: gobreaker's own count would forget them with the window.
func TestBreakerOpensOnFailuresInARow(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		for i := range 4 {
			w.call(s, fmt.Sprint(i), failed)
			time.Sleep(20 * time.Minute)
		}
		w.ok(s, "k") // in a row
		for i := range 4 {
			w.call(s, fmt.Sprint(i), failed)
			time.Sleep(20 * time.Minute)
		}
		w.call(s, "k", failed)
		w.refused(s, "k", ReasonBreakerOpen, 15*time.Second, false)
		w.refused(at("b", update), "k", ReasonBreakerOpen, 15*time.Second, false) // one for the method
		w.ok(at("a", syncing), "k")
	})
}

func TestBreakerNeedsTwoKeys(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		for range 500 {
			w.call(s, "k1", failed)
			time.Sleep(10 * time.Second) // below the volume of the failure ratio
		}
		w.call(s, "k2", failed)
		w.refused(s, "k2", ReasonBreakerOpen, 15*time.Second, false)
	})
}

func TestBreakerOpensOnFailureRatio(t *testing.T) {
	for _, test := range []struct {
		name         string
		successes    int // before the failures, alternating keys make no row of 5
		failuresEach int // of each group of 4 outcomes
		groups       int
		every        time.Duration
		open         bool
	}{
		{"half of 20", 0, 2, 5, time.Second, true},
		{"half of 16: too few", 0, 2, 4, time.Second, false},
		{"a quarter of 40", 0, 1, 10, time.Second / 4, false},
		{"half, but spread over more than the window", 0, 2, 10, 3 * time.Second, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			in(t, Options{}, func(t *testing.T, w *world) {
				s := at("a", update)
				for range test.groups {
					for i := range 4 {
						r := ok
						if i < test.failuresEach {
							r = failed
						}
						if p, _ := w.Admit(s, fmt.Sprint(i)); p != nil {
							p.Done(r)
						}
						time.Sleep(test.every)
					}
				}
				// The last outcome of a group is a success and opening happens at a failure: one more.
				if p, _ := w.Admit(s, "k"); p != nil {
					p.Done(failed)
				}
				if got := !w.method(update).breaker.closed(); got != test.open {
					t.Fatalf("open: %v, want %v", got, test.open)
				}
			})
		})
	}
}

// The window rolls: failures on both sides of a border count together.
func TestBreakerWindowRolls(t *testing.T) {
	in(t, Options{Breaker: BreakerOptions{ConsecutiveFailures: 1000}}, func(t *testing.T, w *world) {
		s := at("a", update)
		time.Sleep(20 * time.Second)
		for i := range 20 {
			w.call(s, fmt.Sprint(i), failed)
			time.Sleep(time.Second)
		}
		if w.method(update).breaker.closed() {
			t.Fatal("20 failures in 20 s did not open it")
		}
	})
}

// A call that hangs longer than the window still counts.
func TestBreakerCountsCallsLongerThanItsWindow(t *testing.T) {
	in(t, Options{Breaker: BreakerOptions{Window: 5 * time.Second, ConsecutiveFailures: 1000}}, func(t *testing.T, w *world) {
		s := at("a", update)
		var permits []*Permit
		for i := range 20 {
			permits = append(permits, w.must(s, fmt.Sprint(i)))
		}
		time.Sleep(15 * time.Second)
		for _, p := range permits {
			p.Done(failed)
		}
		w.refused(s, "k", ReasonBreakerOpen, 15*time.Second, false)
	})
}

// Rejected counts as success; throttled, session, misconfigured and cancelled count as nothing.
func TestWhatTheBreakerCounts(t *testing.T) {
	for name, test := range map[string]struct {
		between Report
		open    bool
	}{
		"rejected":      {rejected, false},
		"throttled":     {throttled(LevelAppKey, time.Millisecond), true},
		"session":       {session(LevelAccountMethod), true},
		"misconfigured": {misconfigured(LevelAppKey), true},
		"cancelled":     {Report{Kind: KindCancelled}, true},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, Options{}, func(t *testing.T, w *world) {
				s := at("a", update)
				for i := range 5 {
					if i == 4 {
						w.call(at("b", update), "k", test.between)
						time.Sleep(time.Second)
					}
					w.call(s, fmt.Sprint(i), failed)
				}
				if got := !w.method(update).breaker.closed(); got != test.open {
					t.Fatalf("open: %v, want %v", got, test.open)
				}
			})
		})
	}
	in(t, Options{}, func(t *testing.T, w *world) { // nor do they make volume for the ratio
		s := at("a", update)
		for i := range 100 {
			w.call(s, fmt.Sprint(i), Report{Kind: KindCancelled})
		}
		for i := range 4 {
			w.call(s, fmt.Sprint(i), failed)
		}
		w.ok(s, "k")
	})
}

// While it is open: nothing but one probe at a time, on another key than the last failed one where one waits, and a
// ramp when it closes.
func TestBreakerProbes(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		trip(w, s)
		for range 3 {
			if got := time.Until(w.NextChange()).Round(time.Millisecond); got != 15*time.Second {
				t.Fatalf("next change in %v, want 15s", got)
			}
			due := w.NextChange()
			time.Sleep(15*time.Second - 1)
			if p, _ := w.Admit(s, "k2"); p != nil {
				t.Fatal("probed before its time")
			}
			time.Sleep(time.Until(due))
			p := w.must(s, "k1")
			if !p.Probe {
				t.Fatal("not marked as a probe")
			}
			w.refused(s, "k2", ReasonBreakerOpen, 0, false) // one at a time
			time.Sleep(time.Second)
			w.signalled()
			p.Done(failed)
			if !w.signalled() {
				t.Fatal("nobody was told of the probe's end")
			}
			w.refused(s, "k2", ReasonBreakerOpen, 15*time.Second, false)
			time.Sleep(15*time.Second + 1)
			w.refused(s, "k1", ReasonBreakerOpen, time.Second, true)
			if got := time.Until(w.NextChange()).Round(time.Millisecond); got != time.Second {
				t.Fatalf("next change in %v, want the end of the grace", got)
			}
			w.call(s, "k2", failed)
			time.Sleep(16*time.Second + 1)
			w.call(s, "k2", failed) // nobody else waits
		}
		time.Sleep(15*time.Second + 1)
		w.ok(s, "k1")
		p := w.must(s, "k1")
		w.refused(s, "k2", ReasonRamp, 0, false)
		p.Done(failed) // begins a new row
		w.ok(s, "k2")
		if w.logged("breaker opened") != 1 || w.logged("breaker closed") != 1 {
			t.Fatalf("want one line for each change:\n%s", w.logs)
		}
	})
}

// A probe that says nothing about the gateway leaves the breaker half-open, and the next call is the probe.
func TestInconclusiveBreakerProbe(t *testing.T) {
	for _, r := range []Report{
		{Kind: KindCancelled}, session(LevelAccountMethod), misconfigured(LevelAppKey),
	} {
		in(t, Options{}, func(t *testing.T, w *world) {
			s := at("a", update)
			trip(w, s)
			time.Sleep(15*time.Second + 1)
			for i := range 10 {
				w.call(at(fmt.Sprint(i), update), "k3", r)
			}
			p := w.must(s, "k4")
			w.refused(s, "k5", ReasonBreakerOpen, 0, false)
			p.Done(rejected) // conclusive
			w.ok(s, "k5")
		})
	}
}

// Outcomes of calls that began before the breaker moved say nothing about how it is now.
func TestBreakerIgnoresLateOutcomes(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		var late []*Permit
		for i := range 40 {
			late = append(late, w.must(s, fmt.Sprint("late", i)))
		}
		trip(w, s)
		late[0].Done(ok) // open: stays open
		w.refused(s, "k1", ReasonBreakerOpen, 15*time.Second, false)
		time.Sleep(15*time.Second + 1)
		p := w.must(s, "k1")
		late[1].Done(ok) // half-open: only the probe decides
		w.refused(s, "k2", ReasonBreakerOpen, 0, false)
		p.Done(ok)
		for _, l := range late[2:] {
			l.Done(failed) // closed: does not open it again
		}
		w.ok(s, "k2")
	})
}

// A method that is not repeatable: its breaker opens at the first call that may have run, and its probes get rarer.
func TestBreakerOfAMethodThatIsNotRepeatable(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", create)
		for range 4 {
			w.call(s, "k1", failed) // nothing ran: as for other methods
		}
		ambiguous := Report{Kind: KindFailure, Ambiguous: true}
		w.call(s, "k1", ambiguous)
		interval := 15 * time.Second
		for i := range 9 {
			w.refused(s, "k", ReasonBreakerOpen, interval, false)
			time.Sleep(interval + 1)
			w.call(s, fmt.Sprint(i), ambiguous)
			interval = min(2*interval, 10*time.Minute)
		}
		time.Sleep(interval + 1)
		w.ok(s, "k")
		w.call(s, "k", ambiguous)
		w.refused(s, "k", ReasonBreakerOpen, 15*time.Second, false) // from the start again
	})
	in(t, Options{}, func(t *testing.T, w *world) { // a repeatable method goes on
		w.call(at("a", update), "k", Report{Kind: KindFailure, Ambiguous: true})
		w.ok(at("a", update), "k")
	})
}
