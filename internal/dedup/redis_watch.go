package dedup

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

const (
	// watchEvery is how often the watch looks whether the server is there and still what it was.
	watchEvery = time.Second
	// figuresEvery is how many looks pass between two readings of size and settings.
	figuresEvery = 10
)

// figures are what the metrics show. A scrape asks nobody: it must not wait for a server that hangs.
type figures struct {
	entries, bytes figure
}

// figure is a number that changes.
type figure struct{ bits atomic.Uint64 }

func (f *figure) load() float64   { return math.Float64frombits(f.bits.Load()) }
func (f *figure) store(n float64) { f.bits.Store(math.Float64bits(n)) }

// watch looks after the store until ctx ends.
func (s *Redis) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	var policy string
	for n := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			n++
		case <-s.look:
		}
		err := s.lookAtEpoch(ctx)
		if ctx.Err() != nil {
			return
		}
		s.answered(err)
		if err != nil {
			continue
		}
		s.giveLostBack()
		if n%figuresEvery == 0 {
			n++
			policy = s.checkPolicy(ctx, policy)
		}
	}
}

// giveLostBack queues the claims that nobody has. What does not fit into the queue waits for the next look.
func (s *Redis) giveLostBack() {
	for _, op := range s.lost.take() {
		select {
		case s.queue <- op:
		default:
			s.lost.add(op)
		}
	}
}

// checkPolicy reads the figures, and says it when the server was told after the start to throw keys away.
func (s *Redis) checkPolicy(ctx context.Context, known string) string {
	seen, err := s.inspect(ctx)
	if err != nil {
		return known
	}
	if p := seen.Policy; p != "" && p != noEviction && p != known {
		s.opts.Logger.Error("Redis may throw ids away to make room, and what was delivered would be sent again: set its maxmemory-policy to noeviction",
			"maxmemory_policy", p)
	}
	return seen.Policy
}
