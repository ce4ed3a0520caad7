package retry

import (
	"testing"
	"time"
)

// A ban pauses exactly its scope.
func TestBanPausesExactlyItsScope(t *testing.T) {
	a, b := at("a", update), at("b", update)
	shared := Scope{Account: "c", AppKey: a.AppKey, Method: update} // another account of a's app key
	scopes := map[string]Scope{
		"a update": a, "a sync": at("a", syncing), "b update": b, "b sync": at("b", syncing),
		"c update": shared, "c sync": {Account: "c", AppKey: a.AppKey, Method: syncing},
	}
	for level, paused := range map[Level][]string{
		LevelAppKey:        {"a update", "a sync", "c update", "c sync"},
		LevelMethod:        {"a update", "b update", "c update"},
		LevelAppKeyMethod:  {"a update", "c update"},
		LevelAccount:       {"a update", "a sync"},
		LevelAccountMethod: {"a update"},
		0:                  {"a update", "c update"}, // a ban's smallest level
	} {
		t.Run("level "+level.String(), func(t *testing.T) {
			in(t, Options{}, func(t *testing.T, w *world) {
				for _, s := range scopes {
					w.ok(s, "before")
				}
				w.call(a, "k", throttled(level, 7*time.Second))
				for name, s := range scopes {
					want := false
					for _, p := range paused {
						want = want || p == name
					}
					if want {
						w.refused(s, "k", ReasonThrottled, 7*time.Second, false)
					} else {
						w.ok(s, "k")
					}
				}
			})
		})
	}
}

// The ban ends when the reply's seconds are over, counted from its arrival: not a nanosecond early, and at once then.
func TestBanEndsToTheMoment(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		p := w.must(s, "k1")
		time.Sleep(3 * time.Second) // the reply takes its time
		p.Done(throttled(LevelMethod, 60*time.Second))
		if next := time.Until(w.NextChange()); next != 60*time.Second {
			t.Fatalf("next change in %v, want 60s", next)
		}
		time.Sleep(60*time.Second - 1)
		w.refused(s, "k1", ReasonThrottled, 0, false) // 1 ns rounds to 0
		time.Sleep(time.Nanosecond)
		w.ok(s, "k1")
	})
}

func TestOverlappingBansEndAtTheLaterEnd(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		p1, p2, p3 := w.must(s, "k1"), w.must(s, "k2"), w.must(s, "k3")
		p1.Done(throttled(LevelMethod, 10*time.Second))
		time.Sleep(time.Second)
		p2.Done(throttled(LevelMethod, 2*time.Second))
		w.refused(s, "k4", ReasonThrottled, 9*time.Second, false)
		p3.Done(throttled(LevelMethod, 30*time.Second))
		w.refused(s, "k4", ReasonThrottled, 30*time.Second, false)
		if n := w.logged("paused", "throttled"); n != 1 {
			t.Fatalf("%d lines about one pause", n)
		}
	})
}

// A ban says nothing against the method's gateway and costs no attempt.
func TestBreakerIgnoresBans(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		for range 100 {
			w.call(s, "k1", throttled(LevelMethod, time.Second))
			time.Sleep(time.Second)
			w.call(s, "k2", throttled(LevelMethod, time.Second))
			time.Sleep(time.Second)
		}
		if !w.method(update).breaker.closed() {
			t.Fatal("the breaker opened")
		}
	})
}

// A pause of one account leaves the others alone, however long it lasts.
func TestSessionPauseLeavesOthersAlone(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		bad, good := at("a", update), at("b", update)
		w.call(bad, "k", Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27"})
		for range 100 {
			w.refused(at("a", syncing), "k", ReasonSession, 30*time.Second, false)
			w.ok(good, "k")
		}
	})
}

// Probes of a session pause: at 30 s, then doubling to 10 min, one at a time, each on a key that was not refused where
// one waits; a second later any key may.
func TestSessionProbes(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		immediate := Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27"}
		w.call(s, "k1", immediate)
		w.refused(s, "k2", ReasonSession, 30*time.Second, false)
		time.Sleep(30 * time.Second)
		w.refused(s, "k1", ReasonSession, time.Second, true)
		p := w.must(s, "k2")
		if !p.Probe || (p.tried != 0) {
			t.Fatalf("permit %+v, want a probe", p)
		}
		w.refused(s, "k3", ReasonSession, 0, false) // one at a time
		p.Done(immediate)
		interval := 30 * time.Second
		for range 7 {
			interval = min(2*interval, 10*time.Minute)
			w.refused(s, "k3", ReasonSession, interval, false)
			time.Sleep(interval)
			w.refused(s, "k1", ReasonSession, time.Second, true)
			if got := time.Until(w.NextChange()); got != time.Second {
				t.Fatalf("next change in %v, want the end of the grace", got)
			}
			time.Sleep(time.Second)
			w.call(s, "k1", immediate) // no other key waits
		}
		if n := w.logged("paused"); n != 1 {
			t.Fatalf("%d log lines for one pause", n)
		}
		time.Sleep(10 * time.Minute)
		w.ok(s, "k3")
		p = w.must(s, "k1")
		if p.Probe || p.tried == 0 {
			t.Fatalf("permit %+v: k1 was refused, and k3 has passed since", p)
		}
		w.refused(s, "k4", ReasonRamp, 0, false)
		p.Done(ok)
		if p := w.must(s, "k1"); p.tried != 0 {
			t.Fatal("a key that passed is still remembered")
		}
		if n := w.logged("resumed", "a probe passed"); n != 1 {
			t.Fatalf("%d log lines for one end", n)
		}
	})
}

// A probe that says nothing about the pause neither ends nor doubles it.
func TestInconclusiveProbes(t *testing.T) {
	for name, test := range map[string]struct {
		report Report
		reason string
		after  time.Duration
	}{
		"transient": {failed, ReasonSession, 30 * time.Second},
		"cancelled": {Report{Kind: KindCancelled}, "", 0},
		"throttled": {throttled(LevelAppKey, time.Hour), ReasonThrottled, time.Hour},
		"rejected":  {rejected, "", 0}, // conclusive: the session works
	} {
		t.Run(name, func(t *testing.T) {
			in(t, Options{}, func(t *testing.T, w *world) {
				s := at("a", update)
				w.call(s, "k1", session(LevelAccount))
				w.call(s, "k2", session(LevelAccount))
				time.Sleep(30 * time.Second)
				w.call(s, "k3", test.report)
				if test.reason == "" {
					w.ok(s, "k3")
				} else {
					w.refused(s, "k3", test.reason, test.after, false)
				}
			})
		})
	}
}

// A call that was sent before the pause and passes does not end it; nor does a late refusal move its probes.
func TestLateRepliesDoNotMoveAPause(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		early, late := w.must(s, "early"), w.must(s, "late")
		w.call(s, "k1", Report{Kind: KindSession, Level: LevelAccount, Immediate: true})
		early.Done(ok)
		w.refused(s, "k2", ReasonSession, 30*time.Second, false)
		time.Sleep(10 * time.Second)
		late.Done(session(LevelAccount))
		w.refused(s, "k2", ReasonSession, 20*time.Second, false)
	})
	in(t, Options{}, func(t *testing.T, w *world) { // nor does a refusal from before bring a pause back that a probe has ended
		s := at("a", update)
		late := w.must(s, "late")
		immediate := Report{Kind: KindSession, Level: LevelAccount, Immediate: true}
		w.call(s, "k1", immediate)
		time.Sleep(30 * time.Second)
		w.ok(s, "k2")
		late.Done(immediate)
		w.ok(s, "k3")
	})
	in(t, Options{}, func(t *testing.T, w *world) { // nor does the probe of a pause that was released end the next one
		s := at("a", update)
		immediate := Report{Kind: KindSession, Level: LevelAccount, Immediate: true}
		w.call(s, "k1", immediate)
		time.Sleep(30 * time.Second)
		probe := w.must(s, "k2")
		w.Release(LevelAccount, s, ReasonSession)
		time.Sleep(time.Second)
		w.call(s, "k3", immediate)
		probe.Done(ok)
		w.refused(s, "k4", ReasonSession, 30*time.Second, false)
	})
}

// Two pauses of one scope: the call that probes both must be due for both, and passes for both.
func TestTwoPausesOfOneScope(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		p := w.must(s, "k2")
		w.call(s, "k1", Report{Kind: KindSession, Level: LevelAccount, Immediate: true})
		time.Sleep(10 * time.Second)
		p.Done(Report{Kind: KindMisconfigured, Level: LevelAppKey, Immediate: true})
		time.Sleep(20 * time.Second)
		w.refused(s, "k3", ReasonMisconfigured, 10*time.Second, false)
		time.Sleep(10 * time.Second)
		w.ok(s, "k3")
		if left := w.Pauses(); len(left) != 0 {
			t.Fatalf("still paused: %+v", left)
		}
	})
}
