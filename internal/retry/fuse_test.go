package retry

import (
	"fmt"
	"testing"
	"time"
)

// Row 33 of the faults: every event of one method is rejected. 20 letters, then a pause, then one other key a minute.
func TestRejectionStorm(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		var inFlight []*Permit
		for i := range 100 {
			inFlight = append(inFlight, w.must(s, fmt.Sprint(i)))
		}
		letters := 0
		for _, p := range inFlight {
			if !p.Done(rejected).Hold {
				letters++
			}
		}
		if letters != 20 {
			t.Fatalf("%d letters, want 20: the rest waits", letters)
		}
		if w.logged("paused", ReasonRejectionStorm) != 1 {
			t.Fatalf("log:\n%s", w.logs)
		}
		w.ok(at("b", update), "k") // only this account and method
		w.ok(at("a", syncing), "k")
		for i := range 5 {
			w.refused(s, "k", ReasonRejectionStorm, time.Minute, false)
			time.Sleep(time.Minute)
			w.refused(s, "3", ReasonRejectionStorm, time.Second, true) // one of the 20: another key first
			p := w.must(s, fmt.Sprint(20+i))
			if !p.Probe {
				t.Fatal("not marked as a probe")
			}
			if p.Done(rejected).Hold {
				t.Fatal("the probe's event waits, want a letter")
			}
		}
		time.Sleep(time.Minute)
		w.call(s, "50", failed) // says nothing
		w.refused(s, "k", ReasonRejectionStorm, time.Minute, false)
		time.Sleep(time.Minute)
		w.ok(s, "51")
		w.must(s, "52")
		w.refused(s, "53", ReasonRamp, 0, false)
	})
}

func TestOneSuccessMendsTheFuse(t *testing.T) {
	in(t, Options{FuseKeys: 5}, func(t *testing.T, w *world) {
		s := at("a", update)
		for round := range 10 {
			for i := range 4 {
				w.call(s, fmt.Sprint(round, i), rejected)
			}
			for range 50 {
				w.call(s, fmt.Sprint(round, 0), rejected) // the same key again
			}
			w.ok(s, "k")
		}
		for i := range 4 {
			w.call(s, fmt.Sprint(i), rejected)
			w.call(s, fmt.Sprint(i), failed) // neither success nor rejection
		}
		w.call(s, "4", rejected)
		w.refused(s, "k", ReasonRejectionStorm, time.Minute, false)
	})
}

// A success that was under way when the fuse blew ends the storm too: not all is rejected.
func TestLateSuccessEndsTheStorm(t *testing.T) {
	in(t, Options{FuseKeys: 2}, func(t *testing.T, w *world) {
		s := at("a", update)
		p := w.must(s, "good")
		w.call(s, "k1", rejected)
		w.call(s, "k2", rejected)
		w.refused(s, "k3", ReasonRejectionStorm, time.Minute, false)
		p.Done(ok)
		w.ok(s, "k3")
	})
}

func TestReleaseOfAStorm(t *testing.T) {
	in(t, Options{FuseKeys: 3}, func(t *testing.T, w *world) {
		s := at("a", update)
		if w.Release(LevelAccountMethod, s, ReasonRejectionStorm) {
			t.Fatal("released what was never paused")
		}
		for i := range 3 {
			w.call(s, fmt.Sprint(i), rejected)
		}
		if w.Release(LevelAccountMethod, s, ReasonSession) || w.Release(LevelAccountMethod, s, "nonsense") {
			t.Fatal("released for another reason")
		}
		if !w.Release(LevelAccountMethod, s, ReasonRejectionStorm) {
			t.Fatal("not released")
		}
		for i := range 3 { // the fuse is whole again: three more letters
			if w.call(s, fmt.Sprint(i), rejected); i < 2 && len(w.Pauses()) != 0 {
				t.Fatal("the fuse was not mended")
			}
		}
		w.refused(s, "k", ReasonRejectionStorm, time.Minute, false)
	})
}
