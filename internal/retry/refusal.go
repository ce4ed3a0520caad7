package retry

import "time"

// Why a call may not start now: a closed set, the label of keys_waiting{reason}. The first four are also the reasons of
// pauses.
const (
	ReasonThrottled      = "throttled"       // a ban of the platform
	ReasonSession        = "session"         // the session is dead
	ReasonMisconfigured  = "misconfigured"   // app key, secret, permission or gateway
	ReasonRejectionStorm = "rejection_storm" // the fuse has blown
	ReasonParked         = "parked"          // this key alone had a session or misconfiguration reply
	ReasonBreakerOpen    = "breaker_open"
	ReasonRamp           = "ramp"        // slow start after a pause or an open breaker
	ReasonConcurrency    = "concurrency" // all slots are taken, or kept for other methods
	ReasonRateLimit      = "rate_limit"  // no token, or the day's calls are used up
)

// Reasons lists the reasons of refusals.
func Reasons() []string {
	return []string{
		ReasonThrottled, ReasonSession, ReasonMisconfigured, ReasonRejectionStorm, ReasonParked,
		ReasonBreakerOpen, ReasonRamp, ReasonConcurrency, ReasonRateLimit,
	}
}

// Refusal says why a call may not start, and when to ask again. It is shared: read it, do not change it.
type Refusal struct {
	Reason string
	// Until is the earliest moment at which the answer can be another one, always in the future. Zero: wait for
	// Gate.Changed. It is no promise: something else may refuse then.
	Until time.Time
	// KeyOnly says that the refusal is about this key; another key of the scope may be admitted now. Without it no
	// key of the scope is, before Until or Changed.
	KeyOnly bool
}

// Refusals that wait for Changed, made once because they are frequent under load.
var (
	refusedSlot = &Refusal{Reason: ReasonConcurrency}
	refusedRamp = &Refusal{Reason: ReasonRamp}
)
