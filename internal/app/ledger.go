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

// ledger is what all stores can do.
type ledger interface {
	consumer.Ledger
	Healthy() error
	PutState(ctx context.Context, name string, value []byte) error
	GetState(ctx context.Context, name string) (value []byte, ok bool, err error)
	Close() error
}

func openLedger(ctx context.Context, c *config.Config, secrets *secrets, log *slog.Logger, reg prometheus.Registerer) (ledger, error) {
	o := dedup.Options{Path: c.Dedup.Path, Retention: c.Dedup.Retention, Logger: log, Registerer: reg}
	switch c.Dedup.Store {
	case "memory":
		log.Warn("the ledger is in memory: after a restart events that were delivered are sent again")
		return dedup.NewMemory(o), nil
	case "redis":
		return newRedis(o, c, secrets.redis)
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

// gateState is the name under which the ledger keeps what the gate must not forget over a restart.
const gateState = "gate"

// kept is what the ledger keeps of the gate: bans of the platform, and what is left of the limits.
type kept struct {
	Pauses []retry.Pause `json:"pauses"`
	Limits []retry.Limit `json:"limits"`
}

// keepGate restores the bans and limits that a former process knew, and keeps those of this one.
func (a *App) keepGate(ctx context.Context) error {
	value, ok, err := a.ledger.GetState(ctx, gateState)
	if err != nil {
		return fmt.Errorf("reading the bans and limits from the ledger: %w", err)
	}
	if ok {
		var k kept
		if err := json.Unmarshal(value, &k); err != nil {
			a.log.Warn("the stored bans and limits cannot be read; they are found out anew", "error", err.Error())
		} else {
			a.gate.Restore(k.Pauses)
			a.gate.RestoreLimits(k.Limits)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		a.saveGate(ctx, string(value))
	}()
	a.onStop(func() {
		cancel()
		<-done
	})
	return nil
}

// saveGate writes bans and limits to the ledger when they have changed, each second and a last time when ctx ends, which
// is after the worker has drained.
func (a *App) saveGate(ctx context.Context, saved string) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-ticker.C:
		}
		value, err := json.Marshal(kept{a.gate.Pauses(), a.gate.Limits()})
		if err != nil || string(value) == saved {
			continue
		}
		writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		if err := a.ledger.PutState(writing, gateState, value); err == nil { // else the next tick tries again
			saved = string(value)
		}
		cancel()
	}
}
