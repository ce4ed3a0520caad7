package integration

import (
	"context"
	"time"

	"github.com/toprelay/worker/internal/consumer"
)

// sample is what the group had committed at a moment: at no later moment than at.
type sample struct {
	at        time.Time
	committed map[consumer.TopicPartition]int64
}

// sampleCommits looks at the group's offsets again and again until the oracle is asked.
func (r *relay) sampleCommits() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.ctx())
	done := make(chan []sample, 1)
	go func() {
		var all []sample
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for {
			offsets, err := r.client.GroupOffsets(ctx, r.name)
			if err == nil {
				all = append(all, sample{time.Now(), offsets})
			}
			select {
			case <-ctx.Done():
				done <- all
				return
			case <-tick.C:
			}
		}
	}()
	stopped := false
	r.stopSampling = func() {
		if !stopped {
			stopped = true
			cancel()
			r.samples = append(r.samples, <-done...)
		}
	}
	r.t.Cleanup(r.stopSampling)
}
