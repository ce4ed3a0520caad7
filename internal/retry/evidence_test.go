package retry

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// simulation is a small consumer of one method: events arrive on keys, each key is settled in order, and every call goes
// through the gate. It shows the rule that giving up needs evidence over hours of a fake clock.
type simulation struct {
	gate    *Gate
	policy  Policy
	scope   Scope
	random  *rand.Rand
	down    func(now time.Time) bool
	witness func(p *Permit, since time.Time) bool // Permit.Witness, or what it is compared with

	lanes     map[string]*simLane
	order     []*simLane
	timeline  []simStep // by time
	faults    int       // how many calls met the outage: decides the kind of the next fault
	calls     int
	delivered []time.Duration // after the arrival
	givenUp   []History
	spent     []time.Duration // from the first failure to giving up
}

type simLane struct {
	key     string
	arrived []time.Time // of the events that wait, the first is the one in hand
	history History
	running time.Duration // reading of the scope's clock at the last failure
	ready   time.Time     // next try
	calling bool
}

type simStep struct {
	at time.Time
	do func()
}

func newSimulation(seed uint64, down func(time.Time) bool) *simulation {
	return &simulation{
		gate:    NewGate(Options{Methods: map[string]MethodOptions{update: {Repeatable: true}}}),
		policy:  standard,
		scope:   at("a", update),
		random:  rand.New(rand.NewPCG(seed, 1)),
		down:    down,
		witness: (*Permit).Witness,
		lanes:   make(map[string]*simLane),
	}
}

func (s *simulation) schedule(at time.Time, do func()) {
	i := len(s.timeline)
	for i > 0 && s.timeline[i-1].at.After(at) {
		i--
	}
	s.timeline = append(s.timeline, simStep{})
	copy(s.timeline[i+1:], s.timeline[i:])
	s.timeline[i] = simStep{at, do}
}

// publish lets events arrive on keys in turn, perMinute of them, until end.
func (s *simulation) publish(perMinute float64, end time.Time, keys ...string) {
	every := float64(time.Minute) / perMinute
	var arrive func()
	arrive = func() {
		if !time.Now().Before(end) {
			return
		}
		s.arrive(keys[0])
		keys = append(keys[1:], keys[0])
		s.schedule(time.Now().Add(time.Duration(every*(0.5+s.random.Float64()))), arrive)
	}
	s.schedule(time.Now(), arrive)
}

func (s *simulation) arrive(key string) {
	l := s.lanes[key]
	if l == nil {
		l = &simLane{key: key}
		s.lanes[key] = l
		s.order = append(s.order, l)
	}
	l.arrived = append(l.arrived, time.Now())
}

func (s *simulation) waiting() int {
	n := 0
	for _, l := range s.order {
		n += len(l.arrived)
	}
	return n
}

// run works until everything is settled and nothing is to come, or until end. It sleeps from one moment at which
// something can change to the next.
func (s *simulation) run(end time.Time) {
	for time.Now().Before(end) {
		now := time.Now()
		for len(s.timeline) > 0 && !s.timeline[0].at.After(now) {
			step := s.timeline[0]
			s.timeline = s.timeline[1:]
			step.do()
		}
		next := s.gate.NextChange()
		for _, l := range s.order {
			if l.calling || len(l.arrived) == 0 {
				continue
			}
			if l.ready.After(now) {
				next = earlier(next, l.ready)
			} else if p, r := s.gate.Admit(s.scope, l.key); p != nil {
				s.call(l, p)
			} else {
				next = earlier(next, r.Until)
			}
		}
		if len(s.timeline) > 0 {
			next = earlier(next, s.timeline[0].at)
		}
		if next.IsZero() {
			return
		}
		time.Sleep(time.Until(next))
	}
}

// call makes one call: a poisoned key always gets a 5xx; in the outage calls are refused, time out and get a 5xx in turn.
func (s *simulation) call(l *simLane, p *Permit) {
	l.calling = true
	s.calls++
	report, takes := ok, 50*time.Millisecond
	switch {
	case s.down(time.Now()):
		report, takes = failed, []time.Duration{time.Millisecond, 15 * time.Second, 50 * time.Millisecond}[s.faults%3]
		s.faults++
	case l.key == "poison":
		report = failed
	}
	s.schedule(time.Now().Add(takes), func() { s.ended(l, p, report) })
}

func (s *simulation) ended(l *simLane, p *Permit, r Report) {
	v := p.Done(r)
	l.calling = false
	now := time.Now()
	if r.Kind == KindSuccess {
		s.delivered = append(s.delivered, now.Sub(l.arrived[0]))
		l.settle()
		return
	}
	h := &l.history
	since := h.LastAttemptAt
	h.LastAttemptAt = now
	if v.Free {
		return // the gate says when to come again
	}
	clock := s.gate.Active(s.scope)
	if h.Attempts == 0 {
		h.FirstFailedAt = now
	} else {
		h.Active += clock - l.running
	}
	l.running = clock
	h.Attempts++
	if s.policy.Exhausted(*h, s.witness(p, since)) {
		s.givenUp = append(s.givenUp, *h)
		s.spent = append(s.spent, now.Sub(h.FirstFailedAt))
		l.settle()
		return
	}
	l.ready = now.Add(s.policy.Delay(h.Attempts))
}

func (l *simLane) settle() {
	l.arrived = l.arrived[1:]
	l.history, l.running, l.ready = History{}, 0, time.Time{}
}

var rates = []float64{0.5, 1, 2, 10} // events a minute

// Row 30 of the faults: an outage at low traffic gives nothing up, and everything is delivered soon after it.
func TestAnOutageGivesNothingUp(t *testing.T) {
	for _, outage := range []time.Duration{10 * time.Minute, 3 * time.Hour} {
		for _, perMinute := range rates {
			for keys := range map[int]bool{1: true, 2: true, 40: true} {
				t.Run(fmt.Sprintf("%v/%v a minute/%d keys", outage, perMinute, keys), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						for seed := range uint64(5) {
							s := outageOf(seed, outage, perMinute, keys)
							if len(s.givenUp) != 0 || s.waiting() != 0 {
								t.Fatalf("seed %d: %d given up, %d not settled", seed, len(s.givenUp), s.waiting())
							}
							if s.faults == 0 {
								t.Fatalf("seed %d: no call met the outage", seed)
							}
							for _, took := range s.delivered {
								if took > outage+5*time.Minute {
									t.Fatalf("seed %d: an event was delivered %v after its arrival", seed, took)
								}
							}
						}
					})
				})
			}
		}
	}
}

// outageOf runs 30 minutes of health, the outage, and an hour after it.
func outageOf(seed uint64, outage time.Duration, perMinute float64, keys int, rules ...func(*simulation)) *simulation {
	begin := time.Now().Add(30 * time.Minute)
	end := begin.Add(outage)
	s := newSimulation(seed, func(now time.Time) bool { return !now.Before(begin) && now.Before(end) })
	for _, rule := range rules {
		rule(s)
	}
	var names []string
	for i := range keys {
		names = append(names, fmt.Sprint("key-", i))
	}
	s.publish(perMinute, end.Add(30*time.Minute), names...)
	s.run(end.Add(24 * time.Hour))
	return s
}

// What the rule is worth: without the witness, the same three hours give events up. (So the test above can fail.)
func TestWithoutAWitnessAnOutageGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := outageOf(1, 3*time.Hour, 1, 1, func(s *simulation) {
			s.witness = func(*Permit, time.Time) bool { return true }
		})
		if len(s.givenUp) == 0 {
			t.Fatal("nothing was given up: the simulation shows nothing")
		}
	})
}

// A poisonous event among healthy ones is given up, not before its time and not long after it.
func TestAPoisonousEventIsGivenUp(t *testing.T) {
	for _, perMinute := range append(rates, 600) {
		t.Run(fmt.Sprintf("%v a minute", perMinute), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for seed := range uint64(5) {
					s := newSimulation(seed, func(time.Time) bool { return false })
					end := time.Now().Add(3 * time.Hour)
					s.publish(perMinute, end, "key-1", "key-2", "key-3")
					s.schedule(time.Now().Add(10*time.Minute), func() { s.arrive("poison") })
					s.run(end.Add(24 * time.Hour))
					if len(s.givenUp) != 1 || s.waiting() != 0 {
						t.Fatalf("seed %d: %d given up, %d not settled", seed, len(s.givenUp), s.waiting())
					}
					if h, spent := s.givenUp[0], s.spent[0]; h.Attempts < 8 || spent < time.Hour || spent > 75*time.Minute {
						t.Fatalf("seed %d: given up after %d attempts and %v", seed, h.Attempts, spent)
					}
				}
			})
		})
	}
}

// Alone, the same event is never given up: there is no evidence. It is tried once each MaxInterval.
func TestAPoisonousEventAloneWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(1, func(time.Time) bool { return false })
		s.arrive("poison")
		s.run(time.Now().Add(48 * time.Hour))
		if len(s.givenUp) != 0 || s.waiting() != 1 {
			t.Fatalf("%d given up, %d waiting", len(s.givenUp), s.waiting())
		}
		if low, high := 48*60, 48*60*2; s.calls < low || s.calls > high {
			t.Fatalf("%d calls in 48 h, want %d to %d", s.calls, low, high)
		}
	})
}

// witnessed says whether the next attempt of a key would have a witness.
func (w *world) witnessed(s Scope, key string, since time.Time) bool {
	w.t.Helper()
	p := w.must(s, key)
	defer p.Unused()
	return p.Witness(since)
}

// The end of an outage: another key passes while this event's attempt is still hanging. That is no evidence, because the
// attempt was made before the world was well.
func TestWitnessMustComeBeforeTheAttempt(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		lastEnd := time.Now()
		time.Sleep(time.Minute)
		p := w.must(s, "k1")
		time.Sleep(5 * time.Second)
		w.ok(s, "k2")
		time.Sleep(10 * time.Second)
		p.Done(failed)
		if p.Witness(lastEnd) {
			t.Fatal("k2 passed after the attempt was made")
		}
		if !w.witnessed(s, "k1", lastEnd) || w.witnessed(s, "k2", lastEnd) {
			t.Fatal("k2 has passed, and is no witness for itself")
		}
		lastEnd = time.Now()
		time.Sleep(time.Second)
		if p = w.must(s, "k1"); p.Witness(lastEnd) {
			t.Fatal("nobody has passed since the last attempt")
		}
		p.Done(failed)
		lastEnd = time.Now()
		time.Sleep(time.Second)
		w.call(s, "k2", rejected)
		if p = w.must(s, "k1"); !p.Witness(lastEnd) {
			t.Fatal("k2 has had a conclusive reply")
		}
		p.Done(ok)
		if !w.witnessed(s, "k1", lastEnd) || !w.witnessed(s, "k2", lastEnd) {
			t.Fatal("both have had one: each is the other's witness")
		}
		// Each key's own replies are no witness for it, whoever was last.
		w.ok(s, "k1")
		mark := time.Now()
		time.Sleep(time.Second)
		w.ok(s, "k1")
		if w.witnessed(s, "k1", mark) || !w.witnessed(s, "k2", mark) {
			t.Fatal("only k1 has passed")
		}
		if w.witnessed(at("b", update), "k2", mark) || w.witnessed(at("a", syncing), "k2", mark) {
			t.Fatal("another account's or method's reply is no witness")
		}
	})
}
