package retry

import (
	"log/slog"
	"time"
)

// mostRefused bounds how many refused keys the gate remembers over all places.
const mostRefused = 4096

// refusedKey is a key that had a session or misconfiguration reply. Whose fault is it? Until another key of the place
// has had one too, it is parked alone and tries again by itself. Once another key has passed since, it is free again
// and its tries count (Permit.Tried). It is forgotten when it gets a conclusive reply, or was not seen for long.
type refusedKey struct {
	at       time.Time     // of the last refusal
	seen     time.Time     // last asked for
	next     time.Time     // when its own next try is due
	interval time.Duration // from one try to the next
	passed   bool          // another key has passed since
	trying   bool          // its own try is in flight
}

// pass lets the key's call through, or refuses it while the key is parked.
func (e *refusedKey) pass(now time.Time) *Refusal {
	e.seen = now
	switch {
	case e.passed:
		return nil
	case e.trying:
		return &Refusal{Reason: ReasonParked, KeyOnly: true}
	case now.Before(e.next):
		return &Refusal{Reason: ReasonParked, Until: e.next, KeyOnly: true}
	}
	return nil
}

// refuse takes a session or misconfiguration reply in.
func (g *Gate) refuse(p *Permit, r Report, now time.Time) {
	kind := pauseSession
	if r.Kind == KindMisconfigured {
		kind = pauseMisconfigured
	}
	pl := p.scope.place(r.Level.or(LevelAccountMethod))
	ps := &pl.pauses[kind]
	if p.at.Before(p.scope.secretAt) || p.at.Before(ps.lifted) {
		return // the call was sent before the world was mended: no evidence
	}
	g.forgetOld(ps, now)
	l := p.lane()
	e := ps.refused[l]
	if e == nil {
		e = g.remember(ps, l)
	}
	switch {
	case ps.on:
	case e == nil, r.Immediate && !p.Tried, ps.suspects(l.key):
		g.begin(ps, now, r.Detail)
		g.note(slog.LevelWarn, "paused", ps, slog.Time("next_probe", ps.next))
	case e.passed: // one of the key's own tries
	case e.interval == 0:
		e.interval = g.options.ProbeInterval
		g.note(slog.LevelWarn, "parked one key", ps, slog.String("cause", r.Detail))
	default:
		e.interval = min(2*e.interval, g.options.MaxProbeInterval)
	}
	if e != nil {
		e.at, e.seen, e.next = now, now, now.Add(e.interval)
	}
	g.refresh(pl)
}

// suspects says whether another key has had such a reply and none has passed since: then it is not the key's fault.
func (ps *pause) suspects(key string) bool {
	for l, e := range ps.refused {
		if l.key != key && !e.passed {
			return true
		}
	}
	return false
}

// tried settles a parked key's own try.
func (g *Gate) tried(ps *pause, p *Permit, r Report, now time.Time) {
	e := ps.refused[p.lane()]
	if e == nil {
		return
	}
	e.trying = false
	switch {
	case ps.kind.of(r.Kind) && e.at.Equal(now): // refuse has just set the next one
	case r.Kind == KindCancelled:
		e.next = now
	default:
		e.next = now.Add(e.interval)
	}
}

// passed takes a conclusive reply in: the key's own refusals are forgotten, and other keys that were refused before the
// call was sent are known to have been passed by. While a pause is on, its probe alone can tell that.
func (g *Gate) passed(ps *pause, p *Permit) {
	l := p.lane()
	g.drop(ps, l)
	if ps.on || ps.fresh == 0 {
		return
	}
	for other, e := range ps.refused {
		if other.key != l.key && !e.passed && !e.at.After(p.at) {
			e.passed = true
			ps.fresh--
			g.signal()
		}
	}
}

// remember makes an entry for a key, or returns nil where there is no room even after a sweep: then so many keys are
// refused that it is the world's fault.
func (g *Gate) remember(ps *pause, l lane) *refusedKey {
	if g.remembered >= mostRefused {
		return nil
	}
	e := &refusedKey{}
	if ps.refused == nil {
		ps.refused = make(map[lane]*refusedKey)
	}
	ps.refused[l] = e
	ps.fresh++
	g.remembered++
	return e
}

// drop forgets one key.
func (g *Gate) drop(ps *pause, l lane) {
	e := ps.refused[l]
	if e == nil {
		return
	}
	delete(ps.refused, l)
	g.remembered--
	if !e.passed {
		ps.fresh--
	}
	g.refresh(ps.place)
}

// forgetOld drops the keys that nobody has asked for in a long time: their events were settled in another way.
func (g *Gate) forgetOld(ps *pause, now time.Time) {
	if g.remembered >= mostRefused {
		for _, pl := range g.live {
			for i := range pl.pauses {
				g.sweep(&pl.pauses[i], now)
			}
		}
	}
	g.sweep(ps, now)
}

func (g *Gate) sweep(ps *pause, now time.Time) {
	for l, e := range ps.refused {
		if now.Sub(e.seen) > 3*g.options.MaxProbeInterval {
			g.drop(ps, l)
		}
	}
}

func (g *Gate) forgetAll(ps *pause) {
	for l := range ps.refused {
		g.drop(ps, l)
	}
}

// Forget drops what the gate remembers of a key, so that the next event of the key starts without a record. Call it when
// an event is given up for its session or misconfiguration replies.
func (g *Gate) Forget(s Scope, key string) {
	g.mu.Lock()
	defer g.unlock()
	sc := g.scopes[s]
	if sc == nil {
		return
	}
	for _, pl := range sc.places {
		for i := range pl.pauses {
			g.drop(&pl.pauses[i], lane{sc, key})
		}
	}
}
