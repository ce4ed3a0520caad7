package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/retry"
)

// itemOverhead is what an event costs in memory beside its bytes, roughly: the item, its lane's place, the encoded call.
const itemOverhead = 512

// Causes of a stalled partition: the bound that stops its fetch (contract section 7, promise 4), or a position that is no
// longer in the log.
const (
	StallBytes  = "buffered_bytes"
	StallCount  = "unsettled"
	StallShare  = "share"
	StallSpan   = "span"
	StallOffset = "offset_out_of_range"
)

// StallCauses lists all causes of a stalled partition.
func StallCauses() []string {
	return []string{StallBytes, StallCount, StallShare, StallSpan, StallOffset}
}

// bounds are the three bounds of the worker. What reaches one stops the fetch of the partitions concerned; it never makes
// a dead letter.
type bounds struct {
	maxBytes int
	maxCount int
	maxSpan  int64

	mu       sync.Mutex
	bytes    int
	count    int
	accounts map[string]int // unsettled by account and by method: each may hold half of maxCount
	methods  map[string]int
}

func newBounds(maxBytes, maxCount int, maxSpan int64) *bounds {
	return &bounds{
		maxBytes: maxBytes, maxCount: maxCount, maxSpan: maxSpan,
		accounts: map[string]int{}, methods: map[string]int{},
	}
}

// roomCheck is how often a fetch loop that stands at a bound looks again. Polling costs nothing beside the work that the
// bound is full of, and a freed place need not wake every fetch loop.
const roomCheck = 10 * time.Millisecond

// sayStalled is how often a bound that stays reached is mentioned again.
const sayStalled = 10 * time.Second

// room waits until one more event of p may be fetched. stalled hears of each bound that is reached, again every ten
// seconds, and of its end (an empty cause). It returns false when ctx ends first, and then the stall is over with the
// partition.
func (b *bounds) room(ctx context.Context, p *partition, span func() int64, stalled func(cause string)) bool {
	reached, said := "", time.Time{}
	for {
		offsets := span() // takes the schedule's lock, which is never taken under this one
		b.mu.Lock()
		cause := b.cause(p, offsets)
		b.mu.Unlock()
		if cause == "" {
			if reached != "" {
				stalled("")
			}
			return true
		}
		if now := time.Now(); cause != reached || now.Sub(said) >= sayStalled {
			reached, said = cause, now
			stalled(cause)
		}
		if !pause(ctx, roomCheck) {
			return false
		}
	}
}

// cause is the bound that holds p, or empty.
func (b *bounds) cause(p *partition, span int64) string {
	switch {
	case b.bytes >= b.maxBytes:
		return StallBytes
	case b.count >= b.maxCount:
		return StallCount
	case span >= b.maxSpan:
		return StallSpan
	}
	for account, mine := range p.accounts {
		if mine > 0 && b.accounts[account] >= b.maxCount/2 {
			return StallShare
		}
	}
	for method, mine := range p.methods {
		if mine > 0 && b.methods[method] >= b.maxCount/2 {
			return StallShare
		}
	}
	return ""
}

// take counts an event as unsettled.
func (b *bounds) take(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += it.size
	b.count++
	if scope, ok := it.countedIn(); ok {
		b.accounts[scope.Account]++
		b.methods[scope.Method]++
		it.partition.accounts[scope.Account]++
		it.partition.methods[scope.Method]++
	}
}

// give counts an event out.
func (b *bounds) give(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= it.size
	b.count--
	if scope, ok := it.countedIn(); ok {
		less(b.accounts, scope.Account)
		less(b.methods, scope.Method)
		less(it.partition.accounts, scope.Account)
		less(it.partition.methods, scope.Method)
	}
}

func less(counts map[string]int, name string) {
	if counts[name]--; counts[name] <= 0 {
		delete(counts, name)
	}
}

// countedIn is the scope whose share an event uses.
func (it *item) countedIn() (retry.Scope, bool) {
	if it.typ == nil || it.account == nil {
		return retry.Scope{}, false
	}
	return it.scope(), true
}
