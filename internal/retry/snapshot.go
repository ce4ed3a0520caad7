package retry

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Pause is a pause as it stands, for the status page, and for the store so that a ban survives a restart.
type Pause struct {
	Level     Level     `json:"level"`
	Account   string    `json:"account,omitempty"`
	AppKey    string    `json:"app_key,omitempty"`
	Method    string    `json:"method,omitempty"`
	Reason    string    `json:"reason"`
	Since     time.Time `json:"since"`
	Until     time.Time `json:"until,omitzero"`      // of a ban; the others end when a probe passes
	NextProbe time.Time `json:"next_probe,omitzero"` // zero for a ban
	Detail    string    `json:"detail,omitempty"`
	Advice    string    `json:"advice,omitempty"`
}

// Pauses lists the pauses that are on, in a fixed order.
func (g *Gate) Pauses() []Pause {
	g.mu.Lock()
	defer g.unlock()
	g.endBans(time.Now())
	var pauses []Pause
	for _, pl := range g.live {
		for i := range pl.pauses {
			ps := &pl.pauses[i]
			if !ps.on {
				continue
			}
			pauses = append(pauses, Pause{
				Level: pl.level, Account: pl.account, AppKey: pl.scope.AppKey, Method: pl.scope.Method,
				Reason: ps.kind.reason(), Since: ps.since, Until: ps.until, NextProbe: ps.next, Detail: ps.cause.detail,
				Advice: ps.cause.advice,
			})
		}
	}
	slices.SortFunc(pauses, func(a, b Pause) int {
		return strings.Compare(a.order(), b.order())
	})
	return pauses
}

// Breakers says in which state the breaker of each method is: closed, half_open or open.
func (g *Gate) Breakers() map[string]string {
	g.mu.Lock()
	defer g.unlock()
	states := make(map[string]string, len(g.methodList))
	for _, m := range g.methodList {
		states[m.name] = stateName(m.breaker.state)
	}
	return states
}

func (p Pause) order() string {
	return strings.Join([]string{p.Level.String(), p.Account, p.AppKey, p.Method, p.Reason}, "\x00")
}

// Restore pauses again what has an end that is still to come. Other pauses are found out anew: their first call is
// their probe.
func (g *Gate) Restore(pauses []Pause) {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	for _, p := range pauses {
		if p.Reason != ReasonThrottled || p.Level.or(0) == 0 || !p.Until.After(now) {
			continue
		}
		pl := g.place(p.Level, Scope{Account: p.Account, AppKey: p.AppKey, Method: p.Method})
		ps := &pl.pauses[pauseThrottled]
		if ps.on && !p.Until.After(ps.until) {
			continue
		}
		if !ps.on {
			g.begin(ps, now, cause{p.Detail, p.Advice})
		}
		ps.until, ps.bans = p.Until, p.Until
		g.note(slog.LevelInfo, "paused", ps, slog.Time("until", ps.until), slog.Bool("restored", true))
	}
	g.findNextEnd()
	g.signal()
}

// Release ends a pause by an operator's order and says whether there was one. What its keys had met is forgotten.
func (g *Gate) Release(l Level, s Scope, reason string) bool {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.endBans(now)
	pl := g.places[placeKey{level: l, scope: l.cut(s)}]
	kind := slices.Index(pauseReasons[:], reason)
	if pl == nil || kind < 0 || !pl.pauses[kind].on {
		return false
	}
	ps := &pl.pauses[kind]
	g.forgetAll(ps)
	if ps.kind == pauseStorm {
		for _, sc := range pl.scopes {
			sc.fuse.keys = nil
		}
	}
	g.lift(ps, now, "released")
	g.findNextEnd()
	return true
}

// SecretChanged says that the secret or the session of an account has been replaced: its session and misconfiguration
// pauses are probed at once, and its parked keys are free. What was refused under the old one is no evidence any more.
func (g *Gate) SecretChanged(account string) {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	for _, sc := range g.scopes {
		if sc.Account != account {
			continue
		}
		sc.secretAt = now
		for _, pl := range sc.places {
			if pl.level == LevelMethod { // a method without a gateway needs no secret
				continue
			}
			for _, k := range [...]pauseKind{pauseSession, pauseMisconfigured} {
				ps := &pl.pauses[k]
				g.forgetAll(ps)
				if ps.on {
					ps.next, ps.interval, ps.last = now, g.options.ProbeInterval, lane{}
				}
			}
		}
	}
	g.signal()
}

// Limit is what a bucket must not forget over a restart.
type Limit struct {
	AppKey string  `json:"app_key"`
	Method string  `json:"method"`
	Day    int64   `json:"day"`   // of GMT+8, days since 1970-01-01
	Spent  int     `json:"spent"` // calls of that day
	Share  float64 `json:"share"` // of the configured rate that is in force, 0 to 1
}

// Limits lists the buckets, for the store.
func (g *Gate) Limits() []Limit {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	limits := make([]Limit, 0, len(g.buckets))
	for key, b := range g.buckets {
		if b.limiter != nil {
			b.raise(now)
		}
		limits = append(limits, Limit{AppKey: key.appKey, Method: key.method, Day: b.day, Spent: b.daySpent, Share: b.share})
	}
	slices.SortFunc(limits, func(a, b Limit) int {
		return strings.Compare(a.AppKey+"\x00"+a.Method, b.AppKey+"\x00"+b.Method)
	})
	return limits
}

// RestoreLimits takes over what Limits gave. A bucket that is not configured any more is passed over.
func (g *Gate) RestoreLimits(limits []Limit) {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	for _, l := range limits {
		b := g.bucket(l.AppKey, l.Method)
		if b == nil {
			continue
		}
		if l.Day > b.day {
			b.day, b.daySpent = l.Day, 0
		}
		if l.Day == b.day {
			b.daySpent += l.Spent
		}
		if b.limiter != nil && l.Share > 0 && l.Share < b.share {
			b.halvedAt, b.raisedAt = now, now
			b.set(now, max(l.Share, leastShare))
		}
	}
	g.signal()
}
