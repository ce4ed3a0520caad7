package retry

import (
	"testing"
	"time"
)

// The clock of a scope stands still exactly while a pause holds it, also when nobody looks.
func TestActiveTime(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s, other := at("a", update), at("a", syncing)
		if w.Active(s) != 0 || w.Active(other) != 0 {
			t.Fatal("a clock starts at 0")
		}
		time.Sleep(time.Minute)
		p1, p2 := w.must(s, "k1"), w.must(s, "k2")
		p1.Done(throttled(LevelMethod, 10*time.Second))
		p2.Done(throttled(LevelAppKeyMethod, 30*time.Second)) // overlaps
		time.Sleep(10 * time.Second)
		if got := w.Active(s); got != time.Minute {
			t.Fatalf("active %v while paused, want 1m", got)
		}
		time.Sleep(10 * time.Minute)
		if got := w.Active(s); got != 10*time.Minute+40*time.Second {
			t.Fatalf("active %v, want 10m40s: 30 s of 11m10s were paused", got)
		}
		if got := w.Active(other); got != 11*time.Minute+10*time.Second {
			t.Fatalf("active %v of another method, want 11m10s", got)
		}
		w.call(s, "k1", session(LevelAccount))
		time.Sleep(time.Second)
		if got := w.Active(s); got != 10*time.Minute+41*time.Second {
			t.Fatalf("active %v, want 10m41s: a parked key holds no scope", got)
		}
		// A scope that is seen first while it is paused.
		w.call(other, "k1", Report{Kind: KindSession, Level: LevelAccount, Immediate: true})
		fresh := at("a", create)
		time.Sleep(time.Hour)
		if got := w.Active(fresh); got != 0 {
			t.Fatalf("active %v of a scope that was born paused", got)
		}
	})
}

func TestActiveTimeOfABreaker(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.Active(s)
		trip(w, s)
		time.Sleep(time.Hour)
		p := w.must(s, "k1")
		time.Sleep(10 * time.Second) // half-open
		if got := w.Active(s); got != 0 {
			t.Fatalf("active %v with an open breaker", got)
		}
		p.Done(ok)
		time.Sleep(time.Second)
		if got := w.Active(s); got != time.Second {
			t.Fatalf("active %v a second after it closed", got)
		}
	})
}
