package consumer

import (
	"context"
	"time"
)

const (
	commitInterval = 200 * time.Millisecond
	// commitTimeout bounds one commit.
	commitTimeout = 5 * time.Second
	// renewInterval is how often a draining member commits although nothing moved: each commit renews its session, which
	// its heartbeats, that end with the generation, do not.
	renewInterval = time.Second
)

// commitLoop commits the watermarks of a generation until stop is closed, all partitions in one request. While the
// generation has ended and drains, it also commits what did not move.
func (w *Worker) commitLoop(ctx context.Context, g Generation, parts []*partition, stop <-chan struct{}) {
	ticker := time.NewTicker(commitInterval)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-stop:
			w.commit(ctx, g, parts, true)
			return
		case now := <-ticker.C:
			renew := false
			select {
			case <-g.Ended():
				renew = now.Sub(renewed) >= renewInterval
			default:
			}
			if renew {
				renewed = now
			}
			w.commit(ctx, g, parts, renew)
		}
	}
}

// commit commits what moved since the last time, or with all set every watermark but a lost position: where the topic was made
// anew, that would be written over the new log. Offsets never go back.
func (w *Worker) commit(ctx context.Context, g Generation, parts []*partition, all bool) {
	offsets := make(map[TopicPartition]int64, len(parts))
	w.schedule.mu.Lock()
	for _, p := range parts {
		mark := p.window.watermark()
		lost := p.stalled == StallOffset && mark == p.window.next
		if mark > p.committed || (all && mark == p.committed && !lost) {
			offsets[p.TopicPartition] = mark
		}
	}
	w.schedule.mu.Unlock()
	if len(offsets) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	if err := g.Commit(ctx, offsets); err != nil {
		w.metrics.commitErrors.Inc()
		w.kafka.failed(requestCommit, "committing offsets fails; they are committed with the next ones", err)
		return
	}
	w.kafka.worked(requestCommit, "committing offsets works again")
	w.schedule.mu.Lock()
	for _, p := range parts {
		if mark, ok := offsets[p.TopicPartition]; ok {
			p.committed = max(p.committed, mark)
		}
	}
	w.schedule.mu.Unlock()
}
