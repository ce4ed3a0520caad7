package retry

import (
	"testing"
	"time"
)

// After a pause: one call in flight, then 2, 4 … until there is no limit; only conclusive replies let it grow.
func TestRampAfterAPause(t *testing.T) {
	in(t, Options{Concurrency: 16}, func(t *testing.T, w *world) {
		s := at("a", update)
		hanging, ending := w.must(s, "hangs from before"), w.must(s, "ends in the ramp")
		w.call(s, "k", throttled(LevelMethod, time.Second))
		time.Sleep(time.Second)
		for _, step := range []struct {
			limit   int
			outcome Report
		}{{1, failed}, {1, ok}, {2, rejected}, {4, ok}, {8, ok}} {
			var permits []*Permit
			for range step.limit {
				permits = append(permits, w.must(s, "k"))
			}
			ending.Done(ok) // was not admitted by the ramp: makes no room in it
			w.refused(s, "k", ReasonRamp, 0, false)
			w.ok(at("a", syncing), "other method") // the ramp is the scope's
			for _, p := range permits {
				p.Done(step.outcome)
			}
		}
		for range 14 { // one slot hangs, one is kept for the other method
			w.must(s, "k")
		}
		w.refused(s, "k", ReasonConcurrency, 0, false)
		hanging.Done(ok)
	})
}
