package retry

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

const (
	// A throttle reply halves a bucket, down to this share of the configured rate …
	leastShare = 1.0 / 64
	// … and it grows back by this share of the configured rate each raiseEvery.
	raiseBy    = 0.1
	raiseEvery = 10 * time.Second
)

// bucket limits the calls of one app key and method: a token bucket, a window and the day's count.
//
// A token bucket alone lets burst + rate calls through in its first second, which the platform answers with a ban. So a
// spent token comes back a second later at the earliest, and tokens come back no faster than the rate: in no second are
// there more calls than the larger of rate and burst, and a burst does not repeat itself each second.
type bucket struct {
	rate    Rate // as configured
	start   time.Time
	limiter *rate.Limiter
	spent   spent

	share    float64   // of the configured rate that is in force
	halvedAt time.Time // last throttle reply that counted
	raisedAt time.Time

	day      int64 // of GMT+8, since the epoch
	daySpent int
	asked    bool // somebody waits for a token
}

type bucketKey struct{ appKey, method string }

// bucket returns the bucket of an app key and method, nil where there is no limit.
func (g *Gate) bucket(appKey, method string) *bucket {
	key := bucketKey{appKey, method}
	if b, ok := g.buckets[key]; ok {
		return b
	}
	r := g.options.rate(method)
	if r.PerSecond <= 0 && r.PerDay <= 0 {
		return nil
	}
	b := &bucket{rate: r, start: time.Now(), share: 1}
	if r.PerSecond > 0 {
		b.limiter = rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
		b.spent = newSpent(max(int(math.Ceil(r.PerSecond)), r.Burst))
	}
	g.buckets[key] = b
	return b
}

func (sc *scopeState) passBucket(now time.Time) *Refusal {
	b := sc.bucket
	if b == nil {
		return nil
	}
	if at := b.ready(now); at.After(now) {
		b.asked = true
		return &Refusal{Reason: ReasonRateLimit, Until: at}
	}
	return nil
}

// ready is when the next token is there: now, or a moment after now.
func (b *bucket) ready(now time.Time) time.Time {
	at := now
	if b.rate.PerDay > 0 && b.daySpent >= b.rate.PerDay && dayOf(now) == b.day {
		at = midnight(now)
	}
	if b.limiter == nil {
		return at
	}
	b.raise(now)
	if missing := 1 - b.limiter.TokensAt(now); missing > 0 {
		wait := time.Duration(missing / float64(b.limiter.Limit()) * float64(time.Second))
		at = later(at, now.Add(wait))
	}
	return later(at, b.start.Add(b.spent.back(b.width())))
}

// take spends the token that ready has promised, and gives its number.
func (b *bucket) take(now time.Time) uint64 {
	b.asked = false
	if day := dayOf(now); day != b.day {
		b.day, b.daySpent = day, 0
	}
	b.daySpent++
	if b.limiter == nil {
		return 0
	}
	b.limiter.ReserveN(now, 1) // not AllowN: it takes no token that is a rounding error short of whole
	return b.spent.take(now.Sub(b.start), b.every())
}

// undo gives back a token that was taken at a time and not used: no call was made.
func (b *bucket) undo(number uint64, taken, now time.Time) {
	if dayOf(taken) == b.day {
		b.daySpent--
	}
	if b.limiter == nil {
		return
	}
	// A reservation that may act at once cannot be cancelled; one of a negative number puts tokens back, up to the burst
	// (seen in its code, and TestUnusedPermit holds it).
	b.limiter.ReserveN(now, -1)
	b.spent.undo(number, b.every())
}

// every is the time between two tokens.
func (b *bucket) every() time.Duration {
	return time.Duration(float64(time.Second) / float64(b.limiter.Limit()))
}

// halve answers a throttle reply to a call that was sent at sent. Replies to calls that were sent before the last
// halving are the same trouble and do not halve again.
func (b *bucket) halve(now, sent time.Time) {
	if b == nil || b.limiter == nil || sent.Before(b.halvedAt) {
		return
	}
	b.raise(now)
	b.halvedAt, b.raisedAt = now, now
	b.set(now, max(b.share/2, leastShare))
}

// raise gives back what has been earned since the last time.
func (b *bucket) raise(now time.Time) {
	if b.share >= 1 {
		return
	}
	if steps := now.Sub(b.raisedAt) / raiseEvery; steps > 0 {
		b.raisedAt = b.raisedAt.Add(steps * raiseEvery)
		b.set(now, min(1, b.share+raiseBy*float64(steps)))
	}
}

func (b *bucket) set(now time.Time, share float64) {
	b.share = share
	b.limiter.SetLimitAt(now, rate.Limit(b.rate.PerSecond*share))
	b.limiter.SetBurstAt(now, max(1, int(float64(b.rate.Burst)*share)))
}

// width is how many tokens there are in a second.
func (b *bucket) width() int { return max(1, int(float64(b.spent.most())*b.share)) }

// dayOf numbers the platform's days.
func dayOf(t time.Time) int64 { return (t.Unix() + 8*60*60) / (24 * 60 * 60) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
