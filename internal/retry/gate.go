package retry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Gate is what every call passes. All its methods are safe for concurrent use; none blocks.
type Gate struct {
	options Options
	metrics *metrics
	changed chan struct{}

	mu         sync.Mutex
	scopes     map[Scope]*scopeState
	places     map[placeKey]*place
	buckets    map[bucketKey]*bucket
	methods    map[string]*method
	methodList []*method
	live       []*place  // places with a pause that is on or remembers keys; some that had one
	nextEnd    time.Time // when the next ban ends; zero: none is on
	inFlight   int
	remembered int    // refused keys over all places
	epoch      uint64 // counts ramps: says what began before what
	waiting    bool   // somebody was refused since Changed was last signalled
	notes      []note // log lines to write once mu is free
}

type note struct {
	level slog.Level
	text  string
	attrs []slog.Attr
}

// NewGate makes a gate with nothing paused. It panics where its metrics are registered already.
func NewGate(o Options) *Gate {
	g := &Gate{
		options: o.withDefaults(),
		changed: make(chan struct{}, 1),
		scopes:  make(map[Scope]*scopeState),
		places:  make(map[placeKey]*place),
		buckets: make(map[bucketKey]*bucket),
		methods: make(map[string]*method),
	}
	g.metrics = newMetrics(g)
	for name := range o.Methods {
		g.method(name)
	}
	if o.Registerer != nil {
		o.Registerer.MustRegister(g.metrics, g.metrics.transitions)
	}
	return g
}

// Admit asks whether a call for key may start now. It returns either a permit, which must be given back with Done or Unused, or a
// refusal. The order matters: what waits longest is asked first, and a token is looked at last and taken only with the
// permit, so that no refusal wastes one and nobody holds a slot while waiting for one.
func (g *Gate) Admit(s Scope, key string) (*Permit, *Refusal) {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.endBans(now)
	sc := g.scope(s, now)
	sc.method.seen = now

	p := Permit{gate: g, scope: sc, key: key, at: now, epoch: g.epoch}
	r := sc.passPauses(now, &p)
	if r == nil {
		r = sc.method.breaker.pass(now, &p)
	}
	if r == nil {
		r = sc.passRamps()
	}
	if r == nil {
		r = g.passSlots(sc.method, now)
	}
	if r == nil {
		r = sc.passBucket(now)
	}
	if r == nil {
		r = sc.method.breaker.admit(now, &p)
	}
	if r != nil {
		g.waiting = true
		return nil, r
	}
	admitted := p
	g.take(&admitted)
	return &admitted, nil
}

// take books a permit.
func (g *Gate) take(p *Permit) {
	sc := p.scope
	p.witness = sc.witness.last(p.key)
	g.inFlight++
	sc.method.inFlight++
	if sc.bucket != nil {
		p.token = sc.bucket.take(p.at)
	}
	for i, pl := range sc.places {
		pl.ramp.admit()
		for k := range pl.pauses {
			if p.probes&pauseBit(i, k) != 0 {
				pl.pauses[k].probing = true
			}
			if p.own&pauseBit(i, k) != 0 {
				pl.pauses[k].refused[p.lane()].trying = true
			}
		}
	}
}

// InFlight counts the calls that were admitted and are not over.
func (g *Gate) InFlight() int {
	g.mu.Lock()
	defer g.unlock()
	return g.inFlight
}

// Changed receives whenever a refusal may have become wrong: a slot came back, a pause is over or due for a probe, the
// breaker moved. Several changes make one signal. What changes by time alone is told by NextChange, not here.
func (g *Gate) Changed() <-chan struct{} { return g.changed }

// NextChange is the next moment at which time alone may turn a refusal into a permit: a ban ends, a probe is due or is
// free for any key, a token that somebody waits for is there. Zero: there is none.
func (g *Gate) NextChange() time.Time {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.endBans(now)
	next := g.nextEnd
	consider := func(at time.Time) {
		if at.After(now) {
			next = earlier(next, at)
		}
	}
	g.prune()
	for _, pl := range g.live {
		for i := range pl.pauses {
			ps := &pl.pauses[i]
			if ps.on && !ps.next.IsZero() {
				consider(ps.next)
				consider(ps.next.Add(grace))
				if ps.kind == pauseSession {
					consider(ps.spare())
				}
			}
			if ps.on || ps.fresh == 0 {
				continue
			}
			for _, e := range ps.refused {
				if !e.passed {
					consider(e.next)
				}
			}
		}
	}
	for _, m := range g.methodList {
		if b := &m.breaker; !b.closed() {
			consider(b.due)
			consider(b.due.Add(grace))
		}
	}
	for _, b := range g.buckets {
		if b.asked {
			consider(b.ready(now))
		}
	}
	return next
}

// prune drops places that have become quiet from the short list.
func (g *Gate) prune() {
	kept := g.live[:0]
	for _, pl := range g.live {
		if pl.live {
			kept = append(kept, pl)
		} else {
			pl.listed = false
		}
	}
	clear(g.live[len(kept):])
	g.live = kept
}

// signal tells that a refusal may have become wrong.
func (g *Gate) signal() {
	g.waiting = false
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// log keeps a line for when the lock is free: a log that blocks must not hold up every call.
func (g *Gate) log(level slog.Level, text string, attrs ...slog.Attr) {
	g.notes = append(g.notes, note{level, text, attrs})
}

// after is how long something went on, in seconds to the millisecond. Duration.Seconds adds the whole ones and the fraction
// as floats, so that 2813 ms would be logged as 2.8129999999999997.
func after(d time.Duration) slog.Attr {
	return slog.Float64("after", float64(d.Round(time.Millisecond).Milliseconds())/1000)
}

// note logs a pause's change.
func (g *Gate) note(level slog.Level, text string, ps *pause, attrs ...slog.Attr) {
	g.noteOf(level, text, ps, ps.place.account, ps.cause, attrs...)
}

// noteOf logs what concerns a place, with an account and a cause that need not be the pause's.
func (g *Gate) noteOf(level slog.Level, text string, ps *pause, account string, why cause, attrs ...slog.Attr) {
	all := make([]slog.Attr, 0, 7+len(attrs))
	all = append(all, slog.String("reason", ps.kind.reason()), slog.String("scope", ps.place.level.String()))
	for _, part := range [...]struct{ name, text string }{
		{"account", account}, {"method", ps.place.scope.Method}, {"detail", why.detail}, {"advice", why.advice},
	} {
		if part.text != "" {
			all = append(all, slog.String(part.name, part.text))
		}
	}
	g.log(level, text, append(all, attrs...)...)
}

func (g *Gate) unlock() {
	notes := g.notes
	g.notes = nil
	g.mu.Unlock()
	for _, n := range notes {
		g.options.Logger.LogAttrs(context.Background(), n.level, n.text, n.attrs...)
	}
}
