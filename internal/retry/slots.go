package retry

import "time"

const (
	// bulkheadShares is into how many shares the calls in flight are divided; each method in use keeps one.
	bulkheadShares = 16
	// bulkheadKeeps is how long a method keeps its share after it was last asked for.
	bulkheadKeeps = 5 * time.Minute
)

// method is what the gate knows of one method over all accounts.
type method struct {
	name       string
	limit      int // calls in flight; 0: none of its own
	repeatable bool
	// sessionless: its calls say nothing about a session. A method that has had a session reply all the same is sessionless
	// no more.
	sessionless bool
	inFlight    int
	seen        time.Time // last asked for
	breaker     breaker
}

// method returns the state of a method and makes it where it is new.
func (g *Gate) method(name string) *method {
	if m := g.methods[name]; m != nil {
		return m
	}
	m := &method{
		name:        name,
		limit:       g.options.concurrency(name),
		repeatable:  g.options.Methods[name].Repeatable,
		sessionless: g.options.Methods[name].Sessionless,
	}
	m.breaker.init(g, m)
	g.methods[name] = m
	g.methodList = append(g.methodList, m)
	g.metrics.seen(name)
	return m
}

// passSlots looks for a free slot. A method that has its share already leaves the rest of the others' shares alone.
func (g *Gate) passSlots(m *method, now time.Time) *Refusal {
	free := g.options.Concurrency - g.inFlight
	if free <= 0 || m.limit > 0 && m.inFlight >= m.limit {
		return refusedSlot
	}
	if share := g.share(m); m.inFlight >= share && free <= g.kept(m, now) {
		return refusedSlot
	}
	return nil
}

// share is how many calls in flight a method in use can always have.
func (g *Gate) share(m *method) int {
	share := (g.options.Concurrency + bulkheadShares - 1) / bulkheadShares
	if m.limit > 0 {
		share = min(share, m.limit)
	}
	return share
}

// kept counts the slots that are kept for other methods.
func (g *Gate) kept(m *method, now time.Time) int {
	kept := 0
	for _, other := range g.methodList {
		if other != m && now.Sub(other.seen) < bulkheadKeeps {
			kept += max(g.share(other)-other.inFlight, 0)
		}
	}
	return kept
}
