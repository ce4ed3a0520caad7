package retry

import (
	"fmt"
	"testing"
	"time"
)

const issuing = "qimen.taobao.logistics.work.order.issue"

// sessions are options in which one method needs a session and another does not.
func sessions() Options {
	return Options{Methods: map[string]MethodOptions{update: {Repeatable: true}, syncing: {Repeatable: true, Sessionless: true}, issuing: {Repeatable: true}}}
}

// A dead session costs no event its tries, however long it lasts and however well the account's other methods do.
func TestDeadSessionBesideOtherMethods(t *testing.T) {
	immediate := Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27", Last: true}
	for _, every := range []time.Duration{time.Second, time.Minute, 10 * time.Minute} {
		in(t, sessions(), func(t *testing.T, w *world) {
			s, other := at("a", update), at("a", syncing)
			calls := 0
			for i := range 60 {
				for _, key := range []string{"k", fmt.Sprint("k", i)} {
					if p, _ := w.Admit(s, key); p != nil {
						calls++
						if v := p.Done(immediate); v.Tried {
							t.Fatalf("every %v, event %d: a dead session is held against the event", every, i)
						}
					}
				}
				if p, _ := w.Admit(other, fmt.Sprint("o", i)); p != nil { // it waits with its account, and takes no probe
					t.Fatalf("event %d: a method that needs no session was called, as a probe: %v", i, p.Probe)
				}
				time.Sleep(every)
			}
			if len(w.Pauses()) != 1 {
				t.Errorf("pauses %+v", w.Pauses())
			}
			if most := int(60*every/(30*time.Second)) + 3; calls > most {
				t.Errorf("every %v: %d calls, want at most the probes, %d", every, calls, most)
			}
			w.SecretChanged("a")
			w.ok(s, "k")
			w.ok(other, "o")
			if len(w.Pauses()) != 0 {
				t.Errorf("pauses after the session was renewed: %+v", w.Pauses())
			}
		})
	}
}

// With nobody else about, a method that needs no session finds out by itself whether its account may go on.
func TestSessionPauseWithoutSessionMethods(t *testing.T) {
	in(t, sessions(), func(t *testing.T, w *world) {
		s, other := at("a", update), at("a", syncing)
		w.call(s, "k", Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27"})
		w.refused(other, "o", ReasonSession, 30*time.Second, false)
		time.Sleep(31 * time.Second)
		w.refused(other, "o", ReasonSession, 29*time.Second, false)
		time.Sleep(29 * time.Second)
		p := w.must(other, "o")
		if !p.Probe {
			t.Error("no probe")
		}
		p.Done(ok)
		w.ok(other, "o")
		p = w.must(s, "k")
		if p.tried != 0 {
			t.Error("a method that needs no session counts as one that has passed")
		}
		p.Done(Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27"}) // the session is dead still
		w.refused(other, "o", ReasonSession, 30*time.Second, false)
	})
}

// A method that is said to need no session and has a session reply all the same waits like any other.
func TestSessionReplyToASessionlessMethod(t *testing.T) {
	in(t, sessions(), func(t *testing.T, w *world) {
		s := at("a", syncing)
		w.call(s, "k", Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "26"})
		w.refused(s, "k", ReasonSession, 30*time.Second, false)
	})
}

// An app key's trouble that one method alone has: the other methods do not wait for it, and none of its events loses its
// tries to it.
func TestTroubleOfOneMethodOfAnAppKey(t *testing.T) {
	sign := Report{Kind: KindMisconfigured, Level: LevelAppKey, Detail: "25", Last: true}
	in(t, Options{}, func(t *testing.T, w *world) {
		bad, good := at("a", update), at("a", issuing)
		held := 0
		for i := range 3600 {
			if p, _ := w.Admit(bad, fmt.Sprint("b", i%50)); p != nil {
				if v := p.Done(sign); v.Tried {
					t.Fatalf("second %d: the trouble of the method is held against the event", i)
				}
			}
			if p, _ := w.Admit(good, fmt.Sprint("g", i)); p != nil {
				p.Done(ok)
			} else {
				held++
			}
			time.Sleep(time.Second)
		}
		if held > 120 {
			t.Errorf("the method that is well was held in %d of 3,600 seconds", held)
		}
		if ps := w.Pauses(); len(ps) != 1 || ps[0].Level != LevelAppKeyMethod {
			t.Errorf("pauses %+v", ps)
		}
	})
}

// What was found out to be one method's trouble stays so, although nothing else remembers it.
func TestTroubleOfOneMethodStaysWithIt(t *testing.T) {
	sign := misconfigured(LevelAppKey)
	in(t, Options{}, func(t *testing.T, w *world) {
		bad, good := at("a", update), at("a", issuing)
		w.call(bad, "a", sign)
		time.Sleep(time.Second)
		w.ok(good, "g")
		time.Sleep(30 * time.Second)
		w.call(bad, "a", sign) // its own try
		w.call(bad, "b", sign)
		if ps := w.Pauses(); len(ps) != 1 || ps[0].Level != LevelAppKeyMethod {
			t.Errorf("pauses %+v", ps)
		}
		w.ok(good, "g")
	})
}

// Tries that count belong to one trouble: a key that was passed by in one is parked anew in another.
func TestTriesBelongToOneTrouble(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "a", misconfigured(LevelAccountMethod))
		w.ok(s, "b")
		p := w.must(s, "a")
		if v := p.Done(Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27", Last: true}); v.Tried {
			t.Error("another trouble is held against the event")
		}
		w.refused(s, "b", ReasonSession, 30*time.Second, false)
	})
}

// A key that was passed by starts anew after half an hour: its event has ended in another way.
func TestOldTriesAreForgotten(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "a", misconfigured(LevelAccountMethod))
		w.ok(s, "b")
		time.Sleep(31 * time.Minute)
		if v := w.must(s, "a").Done(misconfigured(LevelAccountMethod)); v.Tried {
			t.Error("held against the next event of the key")
		}
	})
}

// Events that are given up after their tries blow the fuse like other rejections.
func TestLastTriesBlowTheFuse(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		last := misconfigured(LevelAccountMethod)
		last.Last = true
		lettered := 0
		for i := range 30 {
			key := fmt.Sprint("k", i)
			p, _ := w.Admit(s, key)
			if p == nil {
				break
			}
			p.Done(last)
			w.call(s, "sound", rejected) // conclusive, and no success
			if p, _ = w.Admit(s, key); p == nil {
				break
			}
			if v := p.Done(last); v.Tried && !v.Hold {
				lettered++
			}
		}
		if ps := w.Pauses(); len(ps) != 1 || ps[0].Reason != ReasonRejectionStorm || lettered > 20 {
			t.Errorf("%d given up, pauses %+v", lettered, ps)
		}
	})
}
