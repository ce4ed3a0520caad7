package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/dedup"
	"github.com/toprelay/worker/internal/retry"
)

// ledger is what both stores can do.
type ledger interface {
	consumer.Ledger
	Healthy() error
	PutState(ctx context.Context, name string, value []byte) error
	GetState(ctx context.Context, name string) (value []byte, ok bool, err error)
	Close() error
}

func openLedger(ctx context.Context, c *config.Config, log *slog.Logger, reg prometheus.Registerer) (ledger, error) {
	o := dedup.Options{Path: c.Dedup.Path, Retention: c.Dedup.Retention, Logger: log, Registerer: reg}
	if c.Dedup.Store == "memory" {
		log.Warn("the ledger is in memory: after a restart events that were delivered are sent again")
		return dedup.NewMemory(o), nil
	}
	l, err := dedup.Open(ctx, o)
	switch {
	case errors.Is(err, dedup.ErrLocked):
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case err != nil:
		return nil, fmt.Errorf("dedup.path: %w", err)
	}
	return l, nil
}

// pausesState is the name under which the ledger keeps the gate's pauses.
const pausesState = "gate.pauses"

// keepPauses restores the bans of the platform that a former process saw, and keeps those of this one.
func (a *App) keepPauses(ctx context.Context) error {
	value, ok, err := a.ledger.GetState(ctx, pausesState)
	if err != nil {
		return fmt.Errorf("reading the pauses from the ledger: %w", err)
	}
	if ok {
		var pauses []retry.Pause
		if err := json.Unmarshal(value, &pauses); err != nil {
			a.log.Warn("the stored pauses cannot be read; bans of the platform are found out anew", "error", err.Error())
		} else {
			a.gate.Restore(pauses)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.savePauses(ctx, string(value))
	}()
	a.onStop(func() {
		cancel()
		<-done
	})
	return nil
}

// savePauses writes the pauses to the ledger when they have changed, until ctx ends.
func (a *App) savePauses(ctx context.Context, saved string) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		value, err := json.Marshal(a.gate.Pauses())
		if err != nil || string(value) == saved {
			continue
		}
		if err := a.ledger.PutState(ctx, pausesState, value); err == nil { // else the next tick tries again
			saved = string(value)
		}
	}
}
