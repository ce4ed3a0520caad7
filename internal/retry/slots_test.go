package retry

import (
	"fmt"
	"testing"
	"time"
)

func TestConcurrency(t *testing.T) {
	methods := map[string]MethodOptions{update: {Repeatable: true}, syncing: {Repeatable: true, Concurrency: 3}, create: {}}
	for method, want := range map[string]int{update: 10, syncing: 3, create: 4, "not configured": 4} {
		t.Run(method, func(t *testing.T) {
			in(t, Options{Concurrency: 10, Methods: methods}, func(t *testing.T, w *world) {
				var last *Permit
				for i := range want {
					last = w.must(at(fmt.Sprint(i), method), "k")
				}
				w.refused(at("x", method), "k", ReasonConcurrency, 0, false)
				last.Done(failed)
				w.must(at("x", method), "k")
			})
		})
	}
}

// The bulkhead: a method whose calls hang cannot take the last slots of the others that are in use.
func TestBulkhead(t *testing.T) {
	in(t, Options{Concurrency: 64}, func(t *testing.T, w *world) {
		hangs, other, third := at("a", update), at("a", syncing), at("a", create)
		w.ok(other, "k")
		w.ok(third, "k")
		taken := 0
		for {
			p, r := w.Admit(hangs, fmt.Sprint(taken))
			if p == nil {
				if r.Reason != ReasonConcurrency || !r.Until.IsZero() {
					t.Fatalf("refused: %+v", *r)
				}
				break
			}
			taken++
		}
		if taken != 64-4-4 {
			t.Fatalf("%d slots taken, want all but a sixteenth for each of two others", taken)
		}
		for i := range 4 {
			w.must(other, fmt.Sprint(i))
		}
		w.refused(other, "k", ReasonConcurrency, 0, false) // the rest is the third method's
		time.Sleep(bulkheadKeeps)
		w.must(other, "k") // which has not been seen for minutes
	})
	in(t, Options{Concurrency: 64}, func(t *testing.T, w *world) { // a share that is in use is not kept a second time
		for i := range 4 {
			w.must(at("a", syncing), fmt.Sprint(i))
		}
		for i := range 60 {
			w.must(at("a", update), fmt.Sprint(i))
		}
	})
}

// More methods than slots: each still gets its turn.
func TestMoreMethodsThanSlots(t *testing.T) {
	in(t, Options{Concurrency: 2, Methods: map[string]MethodOptions{}}, func(t *testing.T, w *world) {
		for round := range 3 {
			for i := range 40 {
				w.ok(at("a", fmt.Sprint("method ", i)), fmt.Sprint(round))
			}
		}
	})
}

// A refusal by anything else takes no token, and a token is not taken without a slot.
func TestRefusalsTakeNoToken(t *testing.T) {
	in(t, Options{Concurrency: 1, Rate: Rate{PerSecond: 1, Burst: 3, PerDay: 3}}, func(t *testing.T, w *world) {
		s := at("a", update)
		p := w.must(s, "k")
		for range 100 {
			w.refused(s, "k", ReasonConcurrency, 0, false)
		}
		p.Done(Report{Kind: KindSession, Level: LevelAccount, Immediate: true})
		for range 100 {
			w.refused(s, "k", ReasonSession, 30*time.Second, false)
		}
		w.SecretChanged("a")
		w.must(s, "k").Done(ok)
		w.must(s, "k").Done(ok)
		w.refused(s, "k", ReasonRateLimit, 16*time.Hour, false) // the day's three are used up
	})
}
