package retry

import (
	"fmt"
	"testing"
	"time"
)

// Row 32 of the faults: the content of one event makes the platform answer 25, 12 or 42. Only its key waits.
func TestOneKeyIsParkedAlone(t *testing.T) {
	for _, report := range []Report{session(LevelAccountMethod), misconfigured(LevelAppKey), misconfigured(LevelMethod)} {
		in(t, Options{}, func(t *testing.T, w *world) {
			s := at("a", update)
			w.call(s, "poison", report)
			w.refused(s, "poison", ReasonParked, 30*time.Second, true)
			if got := time.Until(w.NextChange()); got != 30*time.Second {
				t.Fatalf("next change in %v, want 30s", got)
			}
			p := w.must(s, "k1") // sent after the refusal
			w.refused(s, "poison", ReasonParked, 30*time.Second, true)
			p.Done(ok)
			if !w.signalled() {
				t.Fatal("nobody was told that the key may go on")
			}
			for try := range 3 {
				p := w.must(s, "poison")
				if p.tried == 0 || p.Probe {
					t.Fatalf("try %d: permit %+v, want a counted try", try, p)
				}
				p.Done(report)
				w.ok(s, fmt.Sprint("k", try)) // the others go on
			}
			w.Forget(s, "poison") // the consumer has rejected it
			if p := w.must(s, "poison"); p.tried != 0 {
				t.Fatal("the next event of the key starts with the record of the one before")
			}
			if len(w.Pauses()) != 0 || w.logged("paused") != 0 || w.logged("parked one key") != 1 {
				t.Fatalf("log:\n%s", w.logs)
			}
		})
	}
}

// With nobody else about, a parked key tries by itself at 30 s, doubling to 10 min, without an end and without a count.
func TestParkedKeyTriesByItself(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		interval := 30 * time.Second
		w.call(s, "k", session(LevelAccountMethod))
		for range 20 {
			w.refused(s, "k", ReasonParked, interval, true)
			time.Sleep(interval)
			p := w.must(s, "k")
			if !p.Probe || (p.tried != 0) {
				t.Fatalf("permit %+v, want its own probe", p)
			}
			w.refused(s, "k", ReasonParked, 0, true) // the same key of another partition
			p.Done(session(LevelAccountMethod))
			interval = min(2*interval, 10*time.Minute)
		}
		time.Sleep(interval)
		w.call(s, "k", failed) // says nothing: the same interval again
		w.refused(s, "k", ReasonParked, interval, true)
		time.Sleep(interval)
		w.call(s, "k", Report{Kind: KindCancelled})
		w.ok(s, "k")
		if p := w.must(s, "k"); p.Probe || (p.tried != 0) {
			t.Fatal("still remembered after it passed")
		}
		if w.remembered != 0 {
			t.Fatalf("%d keys remembered", w.remembered)
		}
	})
}

// A second key of the same scope: it is the world's fault, and the scope pauses. The two keys must belong to the same
// level, and no other key may have passed in between.
func TestSecondKeyPausesTheScope(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s, sameAccount, other := at("a", update), at("a", syncing), at("b", update)
		w.call(s, "k1", misconfigured(LevelAppKey))
		w.call(s, "k2", misconfigured(LevelAccountMethod)) // another level
		w.call(other, "k3", misconfigured(LevelAppKey))    // another app key
		w.call(s, "k4", session(LevelAppKey))              // another trouble
		if got := w.Pauses(); len(got) != 0 {
			t.Fatalf("paused: %+v", got)
		}
		w.call(sameAccount, "k1", misconfigured(LevelAppKey)) // the same key text in another method is the same key
		w.refused(sameAccount, "k1", ReasonParked, 30*time.Second, true)
		time.Sleep(10 * time.Second)
		w.call(sameAccount, "k5", misconfigured(LevelAppKey))
		w.refused(s, "k6", ReasonMisconfigured, 30*time.Second, false)
		w.refused(sameAccount, "k6", ReasonMisconfigured, 30*time.Second, false)
		w.ok(other, "k6")
	})
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "k1", session(LevelAccountMethod))
		w.ok(s, "k2")
		w.call(s, "k3", session(LevelAccountMethod)) // parked anew: k1 was passed by
		w.refused(s, "k3", ReasonParked, 30*time.Second, true)
		w.ok(s, "k4")
		w.call(s, "k1", session(LevelAccountMethod)) // one of its tries
		w.call(s, "k3", session(LevelAccountMethod))
		w.ok(s, "k5")
	})
}

// A reply to a call that was sent before the refusal is no sign that another key can pass.
func TestPassMustBeSentAfterTheRefusal(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		early := w.must(s, "early")
		time.Sleep(time.Millisecond)
		w.call(s, "k", session(LevelAccountMethod))
		early.Done(ok)
		w.refused(s, "k", ReasonParked, 30*time.Second, true)
		w.ok(s, "later")
		if p := w.must(s, "k"); p.tried == 0 {
			t.Fatal("passed by, but not marked")
		}
	})
}

// When the world breaks for good, a key that was passed by before does not lose its tries to it: the second refusal of
// the others pauses the scope, and its tries count again only after another key has passed.
func TestTriesDoNotCountInAPause(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "k1", session(LevelAccountMethod))
		w.ok(s, "k2")
		w.call(s, "k3", session(LevelAccountMethod))
		p := w.must(s, "k1")
		if p.tried == 0 {
			t.Fatal("k2 has passed")
		}
		p.Done(session(LevelAccountMethod)) // k3 and k1 now: paused
		w.refused(s, "k4", ReasonSession, 30*time.Second, false)
		time.Sleep(31 * time.Second)
		p = w.must(s, "k1")
		if (p.tried != 0) || !p.Probe {
			t.Fatalf("permit %+v, want a probe that costs nothing", p)
		}
		p.Done(session(LevelAccountMethod))
		time.Sleep(time.Minute)
		w.ok(s, "k4")
		if p := w.must(s, "k1"); p.tried == 0 {
			t.Fatal("k4 has passed")
		}
	})
}

// The same with a refusal that comes late: sent before the pause, it says nothing about the time after it.
func TestLateRefusalIsNotPassedBy(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "k1", session(LevelAccountMethod))
		w.ok(s, "k2") // has passed k1
		late := w.must(s, "k1")
		w.call(s, "k3", session(LevelAccountMethod))
		w.call(s, "k4", session(LevelAccountMethod))
		time.Sleep(30 * time.Second)
		probe := w.must(s, "k5")
		time.Sleep(time.Second)
		late.Done(session(LevelAccountMethod))
		probe.Done(ok)
		if p, r := w.Admit(s, "k1"); p != nil && (p.tried != 0) {
			t.Fatalf("permit %+v, refusal %+v: k5 was sent before k1 was refused", p, r)
		}
	})
}

// Codes 26, 27 and 44 pause at once, but not when the key is known to be at fault itself.
func TestImmediateAfterAPassStaysWithItsKey(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		immediate := Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27"}
		w.call(s, "poison", immediate)
		time.Sleep(30 * time.Second)
		w.ok(s, "k1")
		for range 3 {
			p := w.must(s, "poison")
			if p.tried == 0 {
				t.Fatal("not counted")
			}
			p.Done(immediate)
			w.ok(s, "k2")
		}
		w.call(s, "k3", immediate) // but another key's does
		w.refused(s, "k4", ReasonSession, 30*time.Second, false)
	})
}

// The secret or session file changes: probe at once, and what was refused under the old one is forgotten.
func TestSecretChanged(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s, other := at("a", update), at("b", update)
		for _, x := range []Scope{s, other} {
			w.call(x, "k1", session(LevelAccount))
			w.call(x, "k2", session(LevelAccount))
		}
		w.call(at("c", update), "k1", misconfigured(LevelMethod))
		w.call(at("d", update), "k2", misconfigured(LevelMethod)) // a method without a gateway: no secret mends it
		w.SecretChanged("c")
		w.refused(s, "k3", ReasonMisconfigured, 30*time.Second, false)
		time.Sleep(30 * time.Second)
		w.ok(at("c", update), "k3")

		w.call(s, "k4", session(LevelAccount)) // the first probe fails: next in 1 min
		w.refused(s, "k1", ReasonSession, time.Minute, false)
		w.signalled()
		w.SecretChanged("a")
		if !w.signalled() {
			t.Fatal("nobody was told")
		}
		w.refused(other, "k1", ReasonSession, time.Second, true) // b waits as before
		w.ok(s, "k4")                                            // even the last failed key
		w.ok(s, "k1")
	})
	in(t, Options{}, func(t *testing.T, w *world) { // a parked key
		s := at("a", update)
		w.call(s, "k1", misconfigured(LevelAppKey))
		w.SecretChanged("a")
		w.ok(s, "k1")
	})
	in(t, Options{}, func(t *testing.T, w *world) { // a probe in flight under the old secret does not delay the next one
		s := at("a", update)
		w.call(s, "k1", session(LevelAccount))
		w.call(s, "k2", session(LevelAccount))
		time.Sleep(30 * time.Second)
		p := w.must(s, "k3")
		time.Sleep(time.Second)
		w.SecretChanged("a")
		w.refused(s, "k3", ReasonSession, 0, false)
		p.Done(session(LevelAccount))
		w.ok(s, "k3")
	})
}

// What is remembered of keys is bounded: with so many refused it is the world's fault.
func TestRefusedKeysAreBounded(t *testing.T) {
	in(t, Options{Concurrency: 2 * mostRefused}, func(t *testing.T, w *world) {
		s := at("a", update)
		var permits []*Permit
		for i := range mostRefused + 100 {
			permits = append(permits, w.must(s, fmt.Sprint(i)))
		}
		for _, p := range permits {
			p.Done(session(LevelAccount))
		}
		if w.remembered != mostRefused {
			t.Fatalf("%d remembered, want %d", w.remembered, mostRefused)
		}
		w.refused(s, "k", ReasonSession, 30*time.Second, false)
		w.call(at("b", update), "k", session(LevelAccount)) // no room to park it: its account pauses
		w.refused(at("b", update), "other", ReasonSession, 30*time.Second, false)
		time.Sleep(31 * time.Minute) // nobody asked for them
		w.call(at("c", update), "k", session(LevelAccount))
		w.refused(at("c", update), "k", ReasonParked, 30*time.Second, true)
		if w.remembered != 1 {
			t.Fatalf("%d remembered after half an hour, want 1", w.remembered)
		}
	})
}
