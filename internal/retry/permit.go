package retry

import "time"

// Permit lets one call start. Its holder calls Done or Unused exactly once.
type Permit struct {
	// Probe says that the call finds out whether a pause or an open breaker is over, or whether a parked key may go on.
	Probe bool

	gate       *Gate
	scope      *scopeState
	key        string
	at         time.Time
	witness    time.Time   // of the last conclusive reply to another key when the call was admitted
	epoch      uint64      // Gate.epoch when it was admitted
	generation uint64      // of the breaker, likewise
	probeDone  func(error) // tells gobreaker of its probe
	probes     uint32      // the pauses that it probes (pauseBit)
	own        uint32      // the pauses in which its own key is parked
	tried      uint32      // the pauses in which its key was refused and another one of its method has passed since
	token      uint64      // number of the token that it paid with
	over       bool
}

func (p *Permit) lane() lane { return lane{p.scope, p.key} }

// Witness says whether another key of the method and account had a conclusive reply after since and before this call was
// admitted. With since = when the attempt before this one ended it is the evidence that Policy.Exhausted asks for.
func (p *Permit) Witness(since time.Time) bool { return p.witness.After(since) }

// Verdict is what a call's end means for its event, as far as the gate can tell.
type Verdict struct {
	// Free says that a failure spends no attempt: the call was a probe, or a pause or a breaker that is not closed
	// holds its scope now that it has ended.
	Free bool
	// Hold is set for a rejection that came while its scope was paused as a rejection storm: the event should wait with
	// the others instead of being given up, so that a storm costs Options.FuseKeys letters and not one for each call in
	// flight.
	Hold bool
	// Tried says that a session or misconfiguration reply is the event's own fault as far as it can be seen: another key of
	// its method has passed since this key was refused. It is one of the key's three more tries.
	Tried bool
}

// Unused gives the slot and the token back: no call was made. After Done it does nothing.
func (p *Permit) Unused() {
	g := p.gate
	g.mu.Lock()
	defer g.unlock()
	if p.over {
		return
	}
	if b := p.scope.bucket; b != nil {
		b.undo(p.token, p.at, time.Now())
	}
	g.done(p, Report{Kind: KindCancelled})
}

// Done gives the slot back and takes the outcome in. A second Done does nothing.
func (p *Permit) Done(r Report) Verdict {
	g := p.gate
	g.mu.Lock()
	defer g.unlock()
	if p.over {
		return Verdict{}
	}
	return g.done(p, r)
}

func (g *Gate) done(p *Permit, r Report) Verdict {
	p.over = true
	now := time.Now()
	g.endBans(now)
	sc := p.scope

	g.inFlight--
	sc.method.inFlight--
	for _, pl := range sc.places {
		pl.ramp.done(p.epoch, r.Kind.conclusive(), g.options.Concurrency)
	}
	sc.method.breaker.done(p, r)
	var v Verdict
	switch r.Kind {
	case KindSuccess:
		sc.witness.saw(p.key, now)
		g.accept(p, now)
	case KindRejected:
		sc.witness.saw(p.key, now)
		v.Hold = g.reject(p, r, now)
	case KindThrottled:
		sc.bucket.halve(now, p.at)
		g.ban(&sc.place(r.Level.or(LevelAppKeyMethod)).pauses[pauseThrottled], now, r.Wait, r.cause())
	case KindSession, KindMisconfigured:
		if v.Tried = g.refuse(p, r, now); v.Tried && r.Last {
			v.Hold = g.reject(p, r, now)
		}
	}
	g.settle(p, r, now)
	if g.waiting {
		g.signal()
	}
	v.Free = p.Probe || sc.held()
	return v
}

// settle tells the pauses that the call probed, and the keys that are remembered in its scope, what came of it.
func (g *Gate) settle(p *Permit, r Report, now time.Time) {
	for i, pl := range p.scope.places {
		if !pl.live {
			continue
		}
		for k := range pl.pauses {
			ps := &pl.pauses[k]
			if p.probes&pauseBit(i, k) != 0 {
				g.probed(ps, p, r, now)
			}
			if p.own&pauseBit(i, k) != 0 {
				g.tried(ps, p, r, now)
			}
			if r.Kind.conclusive() {
				g.passed(ps, p)
			}
		}
	}
}
