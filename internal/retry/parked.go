package retry

import (
	"log/slog"
	"time"
	"unicode/utf8"
)

// mostRefused bounds how many refused keys the gate remembers over all places.
const mostRefused = 4096

// refusedKey is a key that had a session or misconfiguration reply. Whose fault is it? Until another key of the place
// has had one too, it is parked alone and tries again by itself. Once another key of its method has passed since, it is
// free again and its tries count (Verdict.Tried). It is forgotten when it gets a conclusive reply, or was not seen for
// long.
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

// refuse takes a session or misconfiguration reply in. tried says that it is one of the key's own tries.
func (g *Gate) refuse(p *Permit, r Report, now time.Time) (tried bool) {
	kind := pauseSession
	if r.Kind == KindMisconfigured {
		kind = pauseMisconfigured
	} else if m := p.scope.method; m.sessionless { // it is not, as it turns out
		m.sessionless = false
		for _, pl := range p.scope.places {
			pl.rehold(now)
		}
	}
	level := g.narrow(p, r.Level.or(LevelAccountMethod), kind)
	pl := p.scope.place(level)
	ps := &pl.pauses[kind]
	if p.at.Before(p.scope.secretAt) || p.at.Before(ps.lifted) {
		return false // the call was sent before the world was mended: no evidence
	}
	g.forgetOld(ps, now)
	l := p.lane()
	e := ps.refused[l]
	// A reply that pauses at once needs new evidence against the key each time: another one has passed since the last try.
	tried = !ps.on && e != nil && e.passed && p.tried&pauseBit(int(level-1), int(kind)) != 0 &&
		(!r.Immediate || !p.witness.Before(e.at)) && !ps.suspects(l.key)
	if e == nil {
		e = g.remember(ps, l)
	}
	switch {
	case ps.on, tried:
	case e == nil, r.Immediate, ps.suspects(l.key):
		g.begin(ps, now, r.cause())
		ps.last = l
		g.note(slog.LevelWarn, "paused", ps, slog.Time("next_probe", ps.next))
	case e.passed: // since the call was sent
	case e.interval == 0:
		e.interval = g.options.ProbeInterval
		g.noteOf(slog.LevelWarn, "parked one key", ps, p.scope.Account, r.cause(),
			slog.String("key", cut(p.key, maxKeyLogged)), slog.Time("next_try", now.Add(e.interval)))
	default:
		e.interval = min(2*e.interval, g.options.MaxProbeInterval)
	}
	if e != nil {
		e.at, e.seen, e.next = now, now, now.Add(e.interval)
	}
	g.refresh(pl)
	return tried
}

// narrow makes the level of a reply smaller where it names a whole app key or account, and another method of that has
// passed since this method was refused: then it is this method that has the trouble, and the others must not wait for it.
func (g *Gate) narrow(p *Permit, level Level, kind pauseKind) Level {
	var narrow Level
	switch level {
	case LevelAppKey:
		narrow = LevelAppKeyMethod
	case LevelAccount:
		narrow = LevelAccountMethod
	default:
		return level
	}
	if ps := &p.scope.place(narrow).pauses[kind]; ps.on || len(ps.refused) > 0 {
		return narrow
	}
	pl := p.scope.place(level)
	var refused time.Time // first
	for l, e := range pl.pauses[kind].refused {
		if l.scope.method == p.scope.method {
			refused = earlier(refused, e.at)
		}
	}
	if refused.IsZero() {
		return level
	}
	for _, sc := range pl.scopes {
		if sc.method != p.scope.method && pl.pauses[kind].concerns(sc.method) && sc.witness.at.After(refused) {
			g.drop(&pl.pauses[kind], p.lane())
			return narrow
		}
	}
	return level
}

// maxKeyLogged bounds a key in a log line, in bytes.
const maxKeyLogged = 256

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
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

// passed takes a conclusive reply in: the key's own refusals are forgotten, and other keys of its method that were refused
// before the call was sent are known to have been passed by. Another method says nothing about them: it may need no
// session, or have another secret, permission or gateway. While a pause is on, its probe alone can tell that.
func (g *Gate) passed(ps *pause, p *Permit) {
	l := p.lane()
	g.drop(ps, l)
	if ps.on || ps.fresh == 0 {
		return
	}
	for other, e := range ps.refused {
		if other.scope.method == l.scope.method && other.key != l.key && !e.passed && !e.at.After(p.at) {
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
		if g.old(e, now) {
			g.drop(ps, l)
		}
	}
}

// old says that nobody has asked for the key in a long time, or that it was passed by so long ago that its event would have
// used up its tries: its next event starts without a record.
func (g *Gate) old(e *refusedKey, now time.Time) bool {
	long := 3 * g.options.MaxProbeInterval
	return now.Sub(e.seen) > long || e.passed && now.Sub(e.at) > long
}

func (g *Gate) forgetAll(ps *pause) {
	for l := range ps.refused {
		g.drop(ps, l)
	}
}

// Forget drops that a key was refused and passed by, so that its next event starts without a record. Call it when an event
// is given up. A key that was not passed by stays remembered: it is evidence against the world.
func (g *Gate) Forget(s Scope, key string) {
	g.mu.Lock()
	defer g.unlock()
	sc := g.scopes[s]
	if sc == nil {
		return
	}
	for _, pl := range sc.places {
		for i := range pl.pauses {
			ps, l := &pl.pauses[i], lane{sc, key}
			if e := ps.refused[l]; e != nil && e.passed {
				g.drop(ps, l)
			}
		}
	}
}
