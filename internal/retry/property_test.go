package retry

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sony/gobreaker/v2"
	"pgregory.net/rapid"
)

// run is one random history of a gate, with what a model of it remembers.
type run struct {
	gate     *Gate
	options  Options
	random   *rand.Rand
	scopes   []Scope
	inFlight []*Permit
	calls    map[bucketKey][]time.Time
	bans     map[placeKey]time.Time
	active   map[Scope]time.Duration
	started  time.Time
	mood     Kind           // what most calls come to for a while
	reached  map[string]int // reasons of refusals, over all histories
}

// TestInvariants checks what must hold whatever happens, and that everything is admitted once the world is well. Each
// history has a fake clock of its own; rapid draws its seed outside, where rapid's clock is the real one.
func TestInvariants(t *testing.T) {
	reached := make(map[string]int)
	rapid.Check(t, func(rt *rapid.T) {
		o := drawOptions(rt)
		seed, steps := rapid.Uint64().Draw(rt, "seed"), rapid.IntRange(1, 500).Draw(rt, "steps")
		var failure any
		synctest.Test(t, func(*testing.T) {
			defer func() { failure = recover() }()
			r := newRun(o, seed, reached)
			for range steps {
				r.step()
				r.check()
			}
			r.getWell()
		})
		if failure != nil {
			rt.Fatal(failure)
		}
	})
	for _, reason := range Reasons() {
		if reached[reason] == 0 {
			t.Errorf("no history reached a refusal for %s", reason)
		}
	}
	t.Logf("refusals reached: %v", reached)
}

func drawOptions(rt *rapid.T) Options {
	o := Options{
		Concurrency: rapid.IntRange(1, 20).Draw(rt, "concurrency"),
		Methods:     map[string]MethodOptions{update: {Repeatable: true}, syncing: {Repeatable: true, Concurrency: 2, Sessionless: true}, create: {}},
		FuseKeys:    rapid.IntRange(2, 5).Draw(rt, "fuse"),
	}
	if rapid.Bool().Draw(rt, "limited") {
		o.Rate = Rate{PerSecond: rapid.Float64Range(0.2, 50).Draw(rt, "rate"), Burst: rapid.IntRange(0, 30).Draw(rt, "burst")}
	}
	return o
}

func newRun(o Options, seed uint64, reached map[string]int) *run {
	r := &run{
		gate: NewGate(o), random: rand.New(rand.NewPCG(seed, 0)), options: o, started: time.Now(), mood: KindSuccess, reached: reached,
		calls: make(map[bucketKey][]time.Time), bans: make(map[placeKey]time.Time), active: make(map[Scope]time.Duration),
	}
	for _, method := range []string{update, syncing, create} {
		r.scopes = append(r.scopes, at("a", method), at("b", method), Scope{Account: "c", AppKey: "app-a", Method: method})
	}
	return r
}

func (r *run) pick(n int) int { return r.random.IntN(n) }

func sampled[T any](r *run, from ...T) T { return from[r.pick(len(from))] }

// fail ends the history; TestInvariants reports it.
func (r *run) fail(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

func (r *run) step() {
	switch r.pick(20) {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		r.admit(sampled(r, r.scopes...), fmt.Sprint("k", r.pick(6)))
	case 8, 9, 10, 11, 12, 13:
		if len(r.inFlight) > 0 {
			r.done(r.pick(len(r.inFlight)), r.report())
		}
	case 14, 15, 16:
		time.Sleep(sampled(r, 1, time.Millisecond, 50*time.Millisecond, time.Second, 15*time.Second, time.Minute, time.Hour))
	case 17:
		r.gate.SecretChanged(sampled(r, "a", "b", "c", "unknown"))
		r.gate.Forget(sampled(r, r.scopes...), "k1")
	case 18:
		r.mood = sampled(r, kinds...)
	case 19:
		if pauses := r.gate.Pauses(); len(pauses) > 0 {
			p := sampled(r, pauses...)
			s := Scope{Account: p.Account, AppKey: p.AppKey, Method: p.Method}
			if !r.gate.Release(p.Level, s, p.Reason) {
				r.fail("pause %+v could not be released", p)
			}
			if p.Reason == ReasonThrottled {
				delete(r.bans, placeKey{p.Level, p.Level.cut(s)})
			}
		}
	}
}

var kinds = []Kind{
	KindSuccess, KindRejected, KindFailure, KindThrottled, KindSession, KindMisconfigured, KindCancelled,
}

func (r *run) report() Report {
	kind := r.mood
	if r.pick(10) < 3 {
		kind = sampled(r, kinds...)
	}
	flags := r.pick(4)
	return Report{
		Kind:      kind,
		Level:     Level(r.pick(levels + 1)),
		Wait:      time.Duration(r.pick(60)) * time.Second,
		Immediate: flags&1 != 0,
		Ambiguous: flags&2 != 0,
	}
}

// admit asks for a call and checks the answer against the model.
func (r *run) admit(s Scope, key string) *Permit {
	now := time.Now()
	pauses := r.gate.Pauses()
	state := r.gate.method(s.Method).breaker.state
	p, refusal := r.gate.Admit(s, key)
	if (p == nil) == (refusal == nil) {
		r.fail("permit %v and refusal %v", p, refusal)
	}
	if refusal != nil {
		r.reached[refusal.Reason]++
		r.checkRefusal(refusal, now)
		return nil
	}
	for l := Level(1); l <= levels; l++ {
		if until := r.bans[placeKey{l, l.cut(s)}]; now.Before(until) {
			r.fail("%+v called %v before its ban of level %v ends", s, until.Sub(now), l)
		}
	}
	for _, pause := range pauses {
		same := pause.Level.cut(Scope{pause.Account, pause.AppKey, pause.Method}) == pause.Level.cut(s)
		if same && !p.Probe {
			r.fail("%+v called although paused: %+v", s, pause)
		}
	}
	if state != gobreaker.StateClosed && !p.Probe {
		r.fail("%+v called with the breaker %v", s, state)
	}
	bucket := bucketKey{s.AppKey, s.Method}
	r.calls[bucket] = append(r.calls[bucket], now)
	r.inFlight = append(r.inFlight, p)
	return p
}

func (r *run) checkRefusal(refusal *Refusal, now time.Time) {
	if !slices.Contains(Reasons(), refusal.Reason) {
		r.fail("refused for %q", refusal.Reason)
	}
	next := r.gate.NextChange()
	switch {
	case !refusal.Until.IsZero() && !refusal.Until.After(now):
		r.fail("refused for %s until %v, which is not in the future", refusal.Reason, refusal.Until)
	case !refusal.Until.IsZero() && (next.IsZero() || next.After(refusal.Until)):
		r.fail("refused for %s until %v, next change at %v", refusal.Reason, refusal.Until, next)
	case refusal.Until.IsZero() && len(r.inFlight) == 0:
		r.fail("refused for %s until something changes, with nothing in flight", refusal.Reason)
	}
}

func (r *run) done(i int, report Report) {
	p := r.inFlight[i]
	r.inFlight = slices.Delete(r.inFlight, i, i+1)
	p.Done(report)
	if report.Kind == KindThrottled {
		l := report.Level.or(LevelAppKeyMethod)
		key := placeKey{l, l.cut(p.scope.Scope)}
		r.bans[key] = later(r.bans[key], time.Now().Add(report.Wait))
	}
}

// check compares the gate's books with the model's.
func (r *run) check() {
	g, now := r.gate, time.Now()
	if g.inFlight != len(r.inFlight) || g.inFlight > r.options.Concurrency {
		r.fail("%d in flight, want %d of at most %d", g.inFlight, len(r.inFlight), r.options.Concurrency)
	}
	for _, m := range g.methodList {
		if m.limit > 0 && m.inFlight > m.limit {
			r.fail("%d of %s in flight, at most %d", m.inFlight, m.name, m.limit)
		}
	}
	rate := g.options.rate(update)
	for key, calls := range r.calls {
		if rate.PerSecond == 0 {
			break
		}
		if most := max(int(rate.PerSecond+1), rate.Burst); busiest(calls) > most {
			r.fail("%d calls of %v in one second, at most %d", busiest(calls), key, most)
		}
	}
	for _, s := range r.scopes {
		active := g.Active(s)
		if active < r.active[s] || active > now.Sub(r.started) {
			r.fail("active time went from %v to %v, %v after the start", r.active[s], active, now.Sub(r.started))
		}
		r.active[s] = active
	}
	if next := g.NextChange(); !next.IsZero() && !next.After(now) {
		r.fail("next change at %v, which is not in the future", next)
	}
	remembered := 0
	for key, pl := range g.places {
		for i := range pl.pauses {
			ps := &pl.pauses[i]
			fresh, probes := 0, 0
			for _, e := range ps.refused {
				if !e.passed {
					fresh++
				}
			}
			remembered += len(ps.refused)
			if fresh != ps.fresh || len(ps.refused) > 0 && !pl.listed || ps.on && !pl.listed {
				r.fail("books of %+v are wrong: %d fresh of %d, listed %v", key, ps.fresh, len(ps.refused), pl.listed)
			}
			for _, p := range r.inFlight {
				if ps.on && p.epoch >= ps.epoch && p.scope.places[pl.level-1] == pl && p.probes&pauseBit(int(pl.level-1), i) != 0 {
					probes++
				}
			}
			if probes > 1 {
				r.fail("%d probes of %+v for %s in flight", probes, key, ps.kind.reason())
			}
		}
	}
	if remembered != g.remembered {
		r.fail("%d keys remembered, counted as %d", remembered, g.remembered)
	}
}

// getWell ends what is in flight well and lets every key call successfully: all must be admitted within two hours.
func (r *run) getWell() {
	for len(r.inFlight) > 0 {
		r.done(0, ok)
	}
	waiting := make(map[lane]bool)
	for _, s := range r.scopes {
		for i := range 6 {
			waiting[lane{r.gate.scope(s, time.Now()), fmt.Sprint("k", i)}] = true
		}
	}
	for deadline := time.Now().Add(2 * time.Hour); len(waiting) > 0; {
		if time.Now().After(deadline) {
			r.fail("%d keys not admitted in two hours of a well world; pauses %+v", len(waiting), r.gate.Pauses())
		}
		before := len(waiting)
		for l := range waiting {
			if p := r.admit(l.scope.Scope, l.key); p != nil {
				r.done(len(r.inFlight)-1, ok)
				delete(waiting, l)
			}
		}
		r.check()
		if len(waiting) < before {
			continue // a call that has ended may let others through, which Gate.Changed tells and not the time
		}
		if next := r.gate.NextChange(); !next.IsZero() {
			time.Sleep(time.Until(next))
		}
	}
}
