package retry

import (
	"time"

	"github.com/cenkalti/backoff/v4"
)

// shortestDelay keeps a policy with a zero interval from turning into a hot loop.
const shortestDelay = time.Millisecond

// Policy says how long an event waits after a failed attempt, and when its attempts are used up.
type Policy struct {
	InitialInterval     time.Duration // delay after the first failed attempt
	Multiplier          float64       // growth from one delay to the next; below 1 counts as 1
	RandomizationFactor float64       // jitter: a delay is drawn from ± this share of the curve; 0 to 1
	MaxInterval         time.Duration // no delay is longer than this, jitter included
	MaxAttempts         int           // failed attempts before an event may be given up; below 1: never
	GiveUpAfter         time.Duration // active time since the first failure before an event may be given up
}

// Delay is how long to wait after the attempt-th failed attempt, counted from 1. It depends on nothing but the policy,
// the attempt and chance.
func (p Policy) Delay(attempt int) time.Duration {
	jitter := min(max(p.RandomizationFactor, 0), 1)
	delay := p.curve(p.curveAt(attempt), jitter).NextBackOff()
	return min(max(delay, shortestDelay), p.longest())
}

// Exhausted says whether an event may be given up. h includes the attempt that has just failed; witness says that
// another key of the same method and account got a conclusive reply between the last two attempts (Permit.Witness).
// All three must hold (contract section 6): without evidence against the event it goes on waiting.
func (p Policy) Exhausted(h History, witness bool) bool {
	return p.MaxAttempts > 0 && h.Attempts >= p.MaxAttempts && h.Active >= p.GiveUpAfter && witness
}

// curveAt is the delay of the attempt without its jitter. It walks backoff's curve, which is flat from MaxInterval on.
func (p Policy) curveAt(attempt int) time.Duration {
	curve := p.curve(min(max(p.InitialInterval, shortestDelay), p.longest()), 0)
	delay := curve.NextBackOff()
	for n := 1; n < attempt; n++ {
		next := curve.NextBackOff()
		if next == delay {
			break
		}
		delay = next
	}
	return delay
}

// curve is backoff's curve from the given delay on. MaxElapsedTime stays 0: backoff would measure wall clock, and an
// event's time is its active time.
func (p Policy) curve(from time.Duration, jitter float64) *backoff.ExponentialBackOff {
	b := &backoff.ExponentialBackOff{
		InitialInterval:     from,
		RandomizationFactor: jitter,
		Multiplier:          max(p.Multiplier, 1),
		MaxInterval:         p.longest(),
		Stop:                backoff.Stop,
		Clock:               backoff.SystemClock,
	}
	b.Reset()
	return b
}

func (p Policy) longest() time.Duration { return max(p.MaxInterval, shortestDelay) }
