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
	bytes    int // of unsettled events, and of what is fetched or is about to be
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

// firstFetch is what the first fetch of a partition is taken to bring, because nobody knows: so many partitions that are
// assigned at once do not fill the memory many times over. It leaves room for half, so that idle partitions stop nobody.
func (b *bounds) firstFetch(partitions int) int { return b.maxBytes / max(64, 2*partitions) }

// hold counts the bytes of what p has fetched and not put into its lanes yet, or of what it is about to fetch.
func (b *bounds) hold(p *partition, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes += bytes - p.held
	p.held = bytes
}

// room waits until more of p may be fetched, or until one more event that is fetched may be taken. stalled hears of each bound
// that is reached, again every ten seconds, and of its end (an empty cause). It returns false when ctx ends first, and then
// the stall is over with the partition.
func (b *bounds) room(ctx context.Context, p *partition, fetched bool, span func() int64, stalled func(cause string)) bool {
	reached, said := "", time.Time{}
	for {
		offsets := span() // takes the schedule's lock, which is never taken under this one
		b.mu.Lock()
		cause := b.cause(p, fetched, offsets)
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

// cause is the bound that holds p, or empty. What is fetched already has its bytes counted, and waiting would not free them.
func (b *bounds) cause(p *partition, fetched bool, span int64) string {
	switch {
	case !fetched && b.bytes >= b.maxBytes:
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

// take counts an event as unsettled. What its partition holds for it passes to it.
func (b *bounds) take(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := it.partition
	held := min(it.size, p.held)
	p.held -= held
	b.bytes += it.size - held
	b.count++
	if scope, ok := it.countedIn(); ok {
		b.accounts[scope.Account]++
		b.methods[scope.Method]++
		p.accounts[scope.Account]++
		p.methods[scope.Method]++
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
