package retry

import "time"

// Kind is what came of a call, as far as the gate cares.
type Kind uint8

const (
	KindCancelled     Kind = iota // interrupted by us; says nothing about anything
	KindSuccess                   // delivered
	KindRejected                  // refused for what the event holds
	KindFailure                   // transient or ambiguous
	KindThrottled                 // flow control
	KindSession                   // the session is missing, dead or not allowed to
	KindMisconfigured             // app key, secret, permission, gateway
)

// Report is what a permit's holder says when the call is over.
type Report struct {
	Kind Kind
	// Level is what a throttled, session or misconfigured reply concerns.
	Level Level
	// Wait is how long a ban lasts from now on.
	Wait time.Duration
	// Immediate makes a session reply pause its scope at once and not only park its key.
	Immediate bool
	// Last says that a session or misconfiguration reply ends the event, if it is one of its more tries (Verdict.Tried):
	// then it counts as a rejection for the fuse.
	Last bool
	// Ambiguous says that the request may have run. It opens the breaker of a method that is not repeatable.
	Ambiguous bool
	// Detail goes into the log line and the snapshot of a pause: code and sub_code, never personal data.
	Detail string
	// Advice goes there too: what to look at, in words of our own.
	Advice string
}

// cause is why a place is paused, for those who read of it.
type cause struct{ detail, advice string }

func (r *Report) cause() cause { return cause{r.Detail, r.Advice} }

// conclusive says that the platform looked at the event and decided: the world is well.
func (k Kind) conclusive() bool { return k == KindSuccess || k == KindRejected }
