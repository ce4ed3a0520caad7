package retry

import (
	"log/slog"
	"time"
)

// pauseKind is what a place can be paused for. A place has one pause of each kind, on or off.
type pauseKind uint8

const (
	pauseThrottled pauseKind = iota
	pauseSession
	pauseMisconfigured
	pauseStorm
	pauseKinds = iota
)

var pauseReasons = [pauseKinds]string{ReasonThrottled, ReasonSession, ReasonMisconfigured, ReasonRejectionStorm}

func (k pauseKind) reason() string { return pauseReasons[k] }

// grace is how long a probe that is due is kept for keys that have not been refused yet. After it any key may take it.
const grace = time.Second

// pause holds one place for one reason. It is over at until (a ban), or when a probe passes (all others).
type pause struct {
	place    *place
	kind     pauseKind
	on       bool
	since    time.Time
	until    time.Time     // end of a ban
	next     time.Time     // when the next probe is due; zero: a ban, which has none
	interval time.Duration // from one probe to the next
	probing  bool          // a probe is in flight
	last     lane          // of the last failed probe, or of the reply that began it
	cause    cause
	epoch    uint64    // Gate.epoch when it began: older permits are not its probes
	lifted   time.Time // when a probe or an operator ended it last

	begun bool          // has been on once: its series exist
	total time.Duration // of earlier times
	bans  time.Time     // end of the last ban

	refused map[lane]*refusedKey // keys that had such a reply (sessions and misconfigurations)
	fresh   int                  // of these, how many have not been passed by
}

// concerns says whether calls of a method say something about what the pause is for.
func (ps *pause) concerns(m *method) bool { return ps.kind != pauseSession || !m.sessionless }

// spare is when a method that the pause does not concern may take a probe that no other has taken: then nobody waits who
// could tell more, and the others of its account must not wait for ever.
func (ps *pause) spare() time.Time { return ps.next.Add(ps.interval) }

// pass lets a call through as the pause's probe, or refuses it.
func (ps *pause) pass(now time.Time, l lane) *Refusal {
	reason := ps.kind.reason()
	switch {
	case ps.next.IsZero():
		return &Refusal{Reason: reason, Until: ps.until}
	case ps.probing:
		return &Refusal{Reason: reason}
	case now.Before(ps.next):
		return &Refusal{Reason: reason, Until: ps.next}
	case !ps.concerns(l.scope.method) && now.Before(ps.spare()):
		return &Refusal{Reason: reason, Until: ps.spare()}
	case ps.avoidsMethod(l.scope.method) && now.Before(ps.next.Add(grace)):
		return &Refusal{Reason: reason, Until: ps.next.Add(grace)}
	case ps.avoids(l) && now.Before(ps.next.Add(grace)):
		return &Refusal{Reason: reason, Until: ps.next.Add(grace), KeyOnly: true}
	}
	return nil
}

// avoidsMethod says whether another method should take the probe: this one had the last refusal, and the pause holds others,
// which may be well.
func (ps *pause) avoidsMethod(m *method) bool {
	if ps.last.scope == nil || ps.last.scope.method != m {
		return false
	}
	for _, sc := range ps.place.scopes {
		if sc.method != m && ps.concerns(sc.method) {
			return true
		}
	}
	return false
}

// avoids says whether another key should take the probe: this one has already been refused.
func (ps *pause) avoids(l lane) bool {
	if ps.last == l || ps.refused[l] != nil {
		return true
	}
	return ps.kind == pauseStorm && l.scope.fuse.has(l.key)
}

// passPauses asks every pause of the scope, and whether the key is parked. Bits in p name the pauses that the call
// would probe.
func (sc *scopeState) passPauses(now time.Time, p *Permit) *Refusal {
	for i, pl := range sc.places {
		if !pl.live {
			continue
		}
		for k := range pl.pauses {
			ps := &pl.pauses[k]
			if ps.on {
				if r := ps.pass(now, p.lane()); r != nil {
					return r
				}
				p.probes |= pauseBit(i, k)
				p.Probe = true
			} else if e := ps.refused[p.lane()]; e != nil && !p.gate.old(e, now) {
				if r := e.pass(now); r != nil {
					return r
				}
				if e.passed {
					p.tried |= pauseBit(i, k)
				} else {
					p.own |= pauseBit(i, k)
					p.Probe = true
				}
			}
		}
	}
	return nil
}

// pauseBit stands for one pause of a scope in a permit.
func pauseBit(place, kind int) uint32 { return 1 << (place*pauseKinds + kind) }

// begin pauses a place.
func (g *Gate) begin(ps *pause, now time.Time, why cause) {
	ps.on, ps.begun, ps.since, ps.cause = true, true, now, why
	ps.probing, ps.last, ps.epoch = false, lane{}, g.epoch
	switch ps.kind {
	case pauseThrottled: // ban sets its end; it has no probes
	case pauseStorm:
		ps.interval = g.options.FuseProbe
		ps.next = now.Add(ps.interval)
	default:
		ps.interval = g.options.ProbeInterval
		ps.next = now.Add(ps.interval)
	}
	// Whatever passed before this says nothing about what comes now.
	for _, e := range ps.refused {
		e.passed = false
	}
	ps.fresh = len(ps.refused)
	g.refresh(ps.place)
	ps.place.rehold(now)
}

// end resumes a place: its scopes ramp up.
func (g *Gate) end(ps *pause, at time.Time, why string) {
	ps.on, ps.probing = false, false
	ps.total += max(at.Sub(ps.since), 0)
	ps.until, ps.next = time.Time{}, time.Time{}
	g.ramp(ps.place)
	g.refresh(ps.place)
	ps.place.rehold(at)
	g.signal()
	g.noteOf(slog.LevelInfo, "resumed", ps, ps.place.account, cause{detail: ps.cause.detail}, slog.String("why", why), after(at.Sub(ps.since)))
}

// lift ends a pause on the evidence that the world is well again, or by an operator's order. Replies to calls that were
// sent before it are no evidence any more.
func (g *Gate) lift(ps *pause, now time.Time, why string) {
	ps.lifted = now
	g.end(ps, now, why)
}

// ban pauses a place until the platform's seconds are over.
func (g *Gate) ban(ps *pause, now time.Time, wait time.Duration, why cause) {
	began := !ps.on
	if began {
		g.begin(ps, now, why)
	}
	ps.until = later(ps.until, now.Add(wait)) // overlapping bans: the later end
	ps.bans = ps.until
	g.findNextEnd()
	if began {
		g.note(slog.LevelInfo, "paused", ps, slog.Time("until", ps.until))
	}
}

// endBans ends the bans that are over by now, each at its own moment and in that order, so that the clocks are exact
// although nobody was looking.
func (g *Gate) endBans(now time.Time) {
	for !g.nextEnd.IsZero() && !now.Before(g.nextEnd) {
		for _, pl := range g.live {
			ps := &pl.pauses[pauseThrottled]
			if ps.on && !ps.until.After(g.nextEnd) {
				g.end(ps, ps.until, "the ban is over")
			}
		}
		g.findNextEnd()
	}
}

// findNextEnd looks for the ban that ends first.
func (g *Gate) findNextEnd() {
	g.nextEnd = time.Time{}
	for _, pl := range g.live {
		if ps := &pl.pauses[pauseThrottled]; ps.on {
			g.nextEnd = earlier(g.nextEnd, ps.until)
		}
	}
}

// probed settles a probe of a pause that is on.
func (g *Gate) probed(ps *pause, p *Permit, r Report, now time.Time) {
	if !ps.on || p.epoch < ps.epoch {
		return // ended while the probe was in flight
	}
	ps.probing = false
	switch {
	case r.Kind == KindSuccess, r.Kind == KindRejected && ps.kind != pauseStorm:
		g.lift(ps, now, "a probe passed")
	case r.Kind == KindCancelled, p.at.Before(p.scope.secretAt):
		ps.next = now
	default:
		if ps.kind.of(r.Kind) {
			ps.interval = min(2*ps.interval, max(g.options.MaxProbeInterval, ps.interval))
		}
		ps.next, ps.last = now.Add(ps.interval), p.lane()
		if r.Detail != "" {
			ps.cause = r.cause()
		}
	}
}

// of says whether a reply of this kind is what the pause is for.
func (k pauseKind) of(kind Kind) bool {
	return k == pauseSession && kind == KindSession || k == pauseMisconfigured && kind == KindMisconfigured
}

// refresh keeps the short list of places that a call must look at.
func (g *Gate) refresh(pl *place) {
	pl.live = false
	for i := range pl.pauses {
		if pl.pauses[i].on || len(pl.pauses[i].refused) > 0 {
			pl.live = true
		}
	}
	if pl.live && !pl.listed {
		pl.listed = true
		g.live = append(g.live, pl)
	}
}

// gmt8 is the platform's zone. China had summer time once; the platform's dates have not.
var gmt8 = time.FixedZone("GMT+8", 8*60*60)

// midnight is the end of the platform's day.
func midnight(now time.Time) time.Time {
	y, m, d := now.In(gmt8).Date()
	return time.Date(y, m, d+1, 0, 0, 0, 0, gmt8)
}

// earlier is the earlier of two moments; zero is no moment.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
