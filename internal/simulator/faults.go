package simulator

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// FaultStatus is a fault and the number of calls that it acted on. For a ban that is each call refused by it.
type FaultStatus struct {
	Fault
	Hits int
}

// faultSet holds the faults in force. The zero value has none.
type faultSet struct {
	mu    sync.Mutex
	rules []*rule

	// uses has the bit of each place where a rule acts, and usesKey: a call without faults takes no lock.
	uses atomic.Uint32
}

const usesKey uint32 = 1 << 31

type rule struct {
	Fault
	seen  int // calls that match, Nth and Every apart
	hits  int
	begun int // what Times bounds: hits, for a ban its beginnings
	bans  map[banned]time.Time
}

// banned is what one ban covers; an empty member covers all.
type banned struct{ method, appKey string }

// replace puts other faults in force, with fresh counts. Bans of the old ones end.
func (s *faultSet) replace(faults []Fault) {
	var uses uint32
	rules := make([]*rule, len(faults))
	for i, f := range faults {
		rules[i] = &rule{Fault: f, bans: map[banned]time.Time{}}
		uses |= 1 << f.Action.place()
		if f.Match.Key != "" {
			uses |= usesKey
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = rules
	s.uses.Store(uses)
}

func (s *faultSet) status() []FaultStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]FaultStatus, len(s.rules))
	for i, r := range s.rules {
		list[i] = FaultStatus{r.Fault, r.hits}
	}
	return list
}

// act returns what befalls the call at a place before any check or at the back end: a delay, and at most one action.
func (s *faultSet) act(c *call, at place) (delay time.Duration, action *Action) {
	if !s.lock(c, at) {
		return 0, nil
	}
	defer s.mu.Unlock()
	for _, r := range s.rules {
		if r.Action.place() != at || !r.matches(c) || !r.due() {
			continue
		}
		switch {
		case r.Action.Delay > 0:
			delay += r.Action.Delay
		case action == nil:
			action = &r.Action
		default:
			continue
		}
		r.begun++
		r.hits++
	}
	return delay, action
}

// refusal returns the error that a code or a ban gives the call.
func (s *faultSet) refusal(c *call) *PlatformError {
	if !s.lock(c, placeLimits) {
		return nil
	}
	defer s.mu.Unlock()
	var refusal *PlatformError
	for _, r := range s.rules {
		if r.Action.place() != placeLimits {
			continue
		}
		due := r.matches(c) && r.due()
		if refusal != nil {
			continue
		}
		if r.Action.BanSeconds == 0 {
			if due {
				r.begun++
				r.hits++
				refusal = r.Action.platformError()
			}
			continue
		}
		scope := r.Action.covers(c)
		until, known := r.bans[scope]
		if running := known && c.time.Before(until); !running {
			if !due {
				continue
			}
			until = c.time.Add(time.Duration(r.Action.BanSeconds) * time.Second)
			r.bans[scope] = until
			r.begun++
		}
		r.hits++
		refusal = banRefusal(r.Action.Scope, until.Sub(c.time))
	}
	return refusal
}

// lock takes the lock where a fault may act. The key is read before: it may cost more than the lock should be held.
func (s *faultSet) lock(c *call, at place) bool {
	uses := s.uses.Load()
	if uses&(1<<at) == 0 {
		return false
	}
	if uses&usesKey != 0 && c.api != nil {
		c.readArguments()
	}
	s.mu.Lock()
	return true
}

// matches counts the call where it is one of the rule's.
func (r *rule) matches(c *call) bool {
	m := &r.Match
	if (m.Method != "" && m.Method != c.system.method) || (m.AppKey != "" && m.AppKey != c.system.appKey) {
		return false
	}
	if m.Key != "" && !c.hasKey(m.Key) {
		return false
	}
	r.seen++
	return true
}

// due tells whether the rule acts on the call just counted.
func (r *rule) due() bool {
	first, every := r.Match.Nth, r.Match.Every
	switch {
	case r.seen < first:
		return false
	case every > 0 && (r.seen-first)%every != 0:
		return false
	}
	times := r.Times
	if times == 0 && (r.Action.BanSeconds > 0 || (first > 0 && every == 0)) {
		times = 1
	}
	return times == 0 || r.begun < times
}

func (a *Action) platformError() *PlatformError {
	e := refuse(a.Code, a.SubCode, a.SubMsg)
	if a.Msg != "" {
		e.Msg = a.Msg
	}
	return e
}

func (a *Action) covers(c *call) banned {
	switch a.Scope {
	case ScopeAPI:
		return banned{method: c.system.method}
	case ScopeApp:
		return banned{appKey: c.system.appKey}
	default: // ScopeAppAPI
		return banned{c.system.method, c.system.appKey}
	}
}

// banRefusal is code 7 in the platform's words (protocol page, section 6). The seconds are rounded up, so that who
// waits as long as it says comes after the end.
func banRefusal(scope Scope, remaining time.Duration) *PlatformError {
	subCode := "accesscontrol.limited-by-app-api-access-count"
	switch scope {
	case ScopeAPI:
		subCode = "accesscontrol.limited-by-api-access-count"
	case ScopeApp:
		subCode = "accesscontrol.limited-by-app-access-count"
	default: // ScopeAppAPI
	}
	seconds := max(1, int64((remaining+time.Second-1)/time.Second))
	return refuse(7, subCode, fmt.Sprintf("This ban will last for %d more seconds", seconds))
}
