package retry

import "time"

// clock is the active time of a scope: it stands still while the scope is held.
type clock struct {
	active time.Duration // up to from
	from   time.Time     // since when it runs
	held   bool
}

// hold stops or restarts the clock at a moment that is not before the last one.
func (c *clock) hold(at time.Time, held bool) {
	switch {
	case c.held == held:
		return
	case held:
		c.active += max(at.Sub(c.from), 0)
	default:
		c.from = at
	}
	c.held = held
}

func (c *clock) read(now time.Time) time.Duration {
	if c.held {
		return c.active
	}
	return c.active + max(now.Sub(c.from), 0)
}

// Active reads the clock of a scope. It never goes back, and stands still while a pause or a breaker that is not closed
// holds the scope. Only differences of two readings in one process mean anything.
func (g *Gate) Active(s Scope) time.Duration {
	g.mu.Lock()
	defer g.unlock()
	now := time.Now()
	g.endBans(now)
	return g.scope(s, now).clock.read(now)
}
