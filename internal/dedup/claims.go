package dedup

import (
	"sync"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// phase is where an entry is between Claim and the end of its claim.
type phase uint8

const (
	phaseLooking    phase = iota // its row is being read
	phaseClaiming                // its claim is being written
	phaseHeld                    // the caller has it
	phaseCompleting              // its result is being written
)

// completionGrace is how long a claim is called busy whose deadline has passed while its result is being written.
const completionGrace = 100 * time.Millisecond

// entry is one id that somebody is on. It is in the table from the lookup of its row until its result is durable, so
// that a lookup never runs beside a write to the same row: what it reads is what is so. All fields are guarded by the
// lock of the entry's shard.
type entry struct {
	key        key
	scope      scope
	token      uint64
	lease      time.Duration
	repeatable bool

	phase     phase
	deadline  time.Time // from phaseHeld on
	orphaned  bool      // the caller of Claim went away before it got the answer
	known     bool      // there is a row
	durable   bool      // the row says claimed
	abandoned bool      // an earlier claim ended without a result: only Delivered, Unknown and Forget end that
	unknown   content   // set where the id is unknown, and claimed again all the same because its call may be repeated
	history   retry.History
	marked    bool   // the file of the marks says that it is being called,
	slot      uint32 // here

	ready chan struct{} // closed when the lookup is over; made by the first who waits for it
	found *row          // what the lookup found, where it is settled: the answer for all who waited
}

// grant gives the entry to its caller for the time of its lease.
func (e *entry) grant(now time.Time) consumer.Claim {
	e.phase, e.deadline = phaseHeld, now.Add(e.lease)
	c := consumer.Claim{Answer: consumer.AnswerMine, Token: e.token, History: e.history}
	if e.abandoned {
		c.Answer = consumer.AnswerAbandoned
	}
	return c
}

// busyUntil is when it makes sense to ask again.
func (e *entry) busyUntil(now time.Time) time.Time {
	if soonest := now.Add(completionGrace); e.phase != phaseHeld && e.deadline.Before(soonest) {
		return soonest
	}
	return e.deadline
}

// claims is the table of all entries, in shards so that many callers do not wait for one lock.
type claims struct {
	shards [64]shard
}

type shard struct {
	sync.Mutex
	entries map[key]*entry
	_       [40]byte // a cache line of its own
}

func newClaims() *claims {
	c := new(claims)
	for i := range c.shards {
		c.shards[i].entries = make(map[key]*entry)
	}
	return c
}

// lock locks the shard of k. The key is a hash: any byte of it spreads evenly.
func (c *claims) lock(k key) *shard {
	s := &c.shards[k[0]%byte(len(c.shards))]
	s.Lock()
	return s
}

// succeed puts a new claim in the place of e, whose deadline has passed. What e knew of the row stays true. The token of
// e is worthless from here on.
func (s *shard) succeed(e *entry, token uint64, r consumer.ClaimRequest) *entry {
	n := &entry{
		key: e.key, scope: e.scope, token: token, lease: r.Lease, repeatable: r.Repeatable,
		known: e.known, durable: e.durable, unknown: e.unknown, history: e.history,
		marked: e.marked, slot: e.slot,
		abandoned: e.abandoned || !r.Repeatable, // a claim found without a result (contract 7, promise 5)
	}
	s.entries[e.key] = n
	return n
}
