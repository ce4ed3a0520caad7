package retry

import (
	"fmt"
	"testing"
	"time"
)

// What spends no attempt of an event: a probe, and a call that fails while its scope is held, even if it was sent before.
func TestFreeFailures(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		late := w.must(s, "late")
		for i := range 4 {
			if w.must(s, fmt.Sprint(i)).Done(failed).Free {
				t.Fatalf("failure %d is free with a closed breaker", i)
			}
		}
		if !w.must(s, "4").Done(failed).Free {
			t.Fatal("the failure that opens the breaker spends an attempt")
		}
		if !late.Done(failed).Free {
			t.Fatal("a failure under an open breaker spends an attempt")
		}
		time.Sleep(time.Until(w.NextChange()))
		if !w.must(s, "5").Done(failed).Free {
			t.Fatal("a probe spends an attempt")
		}
	})
	in(t, Options{}, func(t *testing.T, w *world) {
		s, other := at("a", update), at("a", syncing)
		p1, p2 := w.must(s, "k1"), w.must(other, "k1")
		w.call(s, "k2", throttled(LevelMethod, time.Minute))
		if !p1.Done(failed).Free || p2.Done(failed).Free {
			t.Fatal("want the failure in the banned scope free, and the other one counted")
		}
		w.call(other, "parked", session(LevelAccountMethod))
		if w.must(other, "k3").Done(failed).Free {
			t.Fatal("a parked key makes the failures of others free")
		}
		time.Sleep(30 * time.Second)
		if !w.must(other, "parked").Done(failed).Free {
			t.Fatal("a parked key's own try spends an attempt")
		}
	})
}

func TestDoneTwiceGivesOneSlotBack(t *testing.T) {
	in(t, Options{Concurrency: 1}, func(t *testing.T, w *world) {
		s := at("a", update)
		p := w.must(s, "k1")
		p.Done(ok)
		p.Done(ok)
		w.must(s, "k2")
		w.refused(s, "k3", ReasonConcurrency, 0, false)
	})
}
