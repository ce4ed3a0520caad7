package consumer

import (
	"context"
	"errors"
	"sync"
	"time"
)

// hardStop is how long attempts that were cancelled at the end of the drain have to return.
const hardStop = 5 * time.Second

// errDrained is the cause with which attempts are cancelled when the drain's time is over. Interrupted work is no failure.
var errDrained = errors.New("the worker stops, or has lost the partition, and the drain's time is over")

// generation consumes one assignment until the group rebalances or ctx ends.
func (w *Worker) generation(ctx context.Context, g Generation) {
	defer g.Release()
	hard := context.WithoutCancel(ctx)
	attempts, cancelAttempts := context.WithCancelCause(hard)
	defer cancelAttempts(nil)
	w.attempts.Store(&attempts)

	var parts []*partition
	for _, a := range g.Assignments() {
		parts = append(parts, newPartition(a))
	}
	w.mu.Lock()
	w.parts, w.state, w.joinErr = parts, Consuming, nil
	w.mu.Unlock()
	w.metrics.own(parts)
	w.log.Info("consuming", "partitions", len(parts))

	fetching, stopFetching := context.WithCancel(ctx)
	var fetchers, commits sync.WaitGroup
	for _, p := range parts {
		fetchers.Go(func() { w.fetch(fetching, g, p) })
	}
	stopCommits := make(chan struct{})
	commits.Go(func() { w.commitLoop(hard, g, parts, stopCommits) })

	select {
	case <-ctx.Done():
		w.setState(Draining)
	case <-g.Ended():
	}
	stopFetching()
	fetchers.Wait()
	w.drain(parts, cancelAttempts)
	close(stopCommits)
	commits.Wait()

	w.mu.Lock()
	w.parts = nil
	w.mu.Unlock()
	w.metrics.forget(parts)
	w.kafka.forget(requestCommit)
	for _, p := range parts {
		w.trouble.end(p.trouble("stall"))
		w.trouble.end(p.trouble(requestFetch))
		w.kafka.forget(p.trouble(requestFetch))
	}
}

// drain lets go of all partitions: waiting events are dropped at once, attempts being made get the drain's time and are
// then cancelled.
func (w *Worker) drain(parts []*partition, cancelAttempts context.CancelCauseFunc) {
	var running []<-chan struct{}
	for _, p := range parts {
		running = append(running, w.schedule.drop(p))
	}
	soft := time.NewTimer(w.options.DrainTimeout)
	defer soft.Stop()
	hard := time.NewTimer(w.options.DrainTimeout + hardStop)
	defer hard.Stop()
	for _, done := range running {
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-soft.C:
				cancelAttempts(errDrained)
			case <-hard.C:
				w.log.Error("attempts did not end although they were cancelled; their events stay unsettled")
				return
			}
		}
	}
}
