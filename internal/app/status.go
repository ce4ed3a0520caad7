package app

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/ops"
)

// status is what liveness and readiness are judged by. Before the worker is made it is alive and not ready.
type status struct {
	worker  atomic.Pointer[consumer.Worker]
	waiting atomic.Pointer[string] // what the start waits for
}

func (s *status) waitFor(what string) { s.waiting.Store(&what) }

// alive says that the main loop ticks. Nothing outside the process makes it false: a restart would not help.
func (s *status) alive() error {
	w := s.worker.Load()
	if w == nil {
		return nil
	}
	if still := time.Since(w.Ticked()); still > stuckAfter {
		return fmt.Errorf("the main loop has stood still for %s", still.Round(time.Second))
	}
	return nil
}

// group says that the worker is a member of its group and not draining.
func (s *status) group() error {
	w := s.worker.Load()
	if w == nil {
		if what := s.waiting.Load(); what != nil {
			return errors.New(*what)
		}
		return errors.New("starting")
	}
	switch w.State() {
	case consumer.Consuming:
		return nil
	case consumer.Draining, consumer.Stopped:
		return errors.New("draining: the worker stops")
	default:
		if err := w.JoinError(); err != nil {
			if errors.Is(err, consumer.ErrAway) || errors.Is(err, consumer.ErrRefused) {
				what, why := kafkaTrouble(err)
				return errors.New(what + ": " + why)
			}
			return fmt.Errorf("no assignment from the consumer group: %w", err)
		}
		return errors.New("no assignment from the consumer group yet")
	}
}

// checks are what the worker needs to be ready (contract section 10). Pauses, breakers and lag are not among them.
func (a *App) checks() []ops.Check {
	return []ops.Check{
		{Name: "store", Err: a.ledger.Healthy},
		{Name: "group", Err: a.status.group},
	}
}
