package consumer

import (
	"time"

	"github.com/toprelay/worker/internal/retry"
)

// recheck bounds how long a key that the gate refused alone stays parked before it asks again.
const recheck = time.Second

// scopeQueue holds the lanes of one account and method that are ready for a call, first come first served. Scopes take
// turns, so that a long queue of one does not hold up the others.
type scopeQueue struct {
	scope   retry.Scope
	lanes   fifo
	refused string // the gate's reason for the last refusal; empty while it admits
}

// enqueue puts a lane where its first event belongs.
func (s *schedule) enqueue(l *lane) {
	if it := l.first(); it.defect != nil || it.given != nil || it.expired(time.Now()) {
		s.direct.push(l)
		return
	}
	if l.scope == nil {
		l.scope = s.queue(l.first().scope())
	}
	l.scope.lanes.push(l)
}

func (s *schedule) queue(scope retry.Scope) *scopeQueue {
	q := s.scopes[scope]
	if q == nil {
		q = &scopeQueue{scope: scope}
		s.scopes[scope] = q
		s.turns = append(s.turns, q)
	}
	return q
}

// dispatch starts as many attempts as may start now.
func (s *schedule) dispatch(now time.Time) {
	if s.awayUntil.After(now) {
		return
	}
	for s.uncalled < s.spare && s.running < s.limit && s.direct.len() > 0 {
		s.begin(s.direct.pop(), nil)
	}
	most := s.limit
	if s.ledgerAway.Load() { // one call finds out for all whether it answers: no permits are held for want of a claim
		most = min(most, s.running+1)
	}
	for refusals := 0; s.running < most && refusals < len(s.turns); {
		q := s.turns[s.turn%len(s.turns)]
		s.turn++
		if s.admit(q, now) {
			refusals = 0
		} else {
			refusals++
		}
	}
	if s.ledgerAway.Load() && s.running == most {
		s.awayUntil = now.Add(claimTimeout + ledgerRetry) // by then it has failed, or all go on
	}
}

// admit starts one attempt of a scope, unless the gate refuses.
func (s *schedule) admit(q *scopeQueue, now time.Time) bool {
	for q.lanes.len() > 0 {
		l := q.lanes.peek()
		permit, refusal := s.gate.Admit(q.scope, l.key.key)
		if permit != nil {
			q.refused = ""
			s.begin(q.lanes.pop(), permit)
			return true
		}
		if !refusal.KeyOnly {
			q.refused = refusal.Reason
			return false
		}
		q.lanes.pop()
		due := now.Add(recheck)
		if !refusal.Until.IsZero() && refusal.Until.Before(due) {
			due = refusal.Until
		}
		l.parked = refusal.Reason
		s.park(l, WaitGate, due)
	}
	q.refused = ""
	return false
}

func (s *schedule) begin(l *lane, permit *retry.Permit) {
	l.called = permit != nil
	s.running++
	if !l.called {
		s.uncalled++
	}
	l.partition.running++
	s.start(job{lane: l, item: l.first(), permit: permit})
}
