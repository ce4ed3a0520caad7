package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/dedup"
	"github.com/toprelay/worker/internal/secret"
)

// Redis is where the ledger is, with the password of a file that is read again when it changes; nil: none.
func Redis(c config.Redis, password *secret.File) (dedup.RedisOptions, error) {
	o := dedup.RedisOptions{
		Addresses: c.Addresses, SentinelMaster: c.SentinelMaster, DB: c.DB, Username: c.Username, Prefix: c.Prefix,
		WaitReplicas: c.WaitReplicas,
	}
	if password != nil {
		o.Password = password.Value
	}
	if c.TLS != nil {
		var err error
		if o.TLS, err = c.TLS.ClientConfig(); err != nil {
			return o, fmt.Errorf("tls: %w", err)
		}
	}
	return o, nil
}

func newRedis(o dedup.Options, c *config.Config, password *secret.File) (ledger, error) {
	var err error
	if o.Redis, err = Redis(*c.Dedup.Redis, password); err != nil {
		return nil, problem("dedup.redis", err)
	}
	l, err := dedup.NewRedis(o)
	if err != nil {
		return nil, problem("dedup.redis", err)
	}
	return l, nil
}

// redisWait is the wait of the start for Redis.
type redisWait struct {
	start     func(context.Context) error
	addresses []string
	log       *slog.Logger
	status    *status
	away      notice
}

// awaitLedger waits for a ledger that is not of this machine, as long as it takes.
func (a *App) awaitLedger(ctx context.Context) error {
	l, ok := a.ledger.(*dedup.Redis)
	if !ok {
		return nil
	}
	w := &redisWait{start: l.Start, addresses: a.config.Dedup.Redis.Addresses, log: a.log, status: &a.status}
	return w.run(ctx)
}

// run waits while the trouble is one that may pass. A server that would not keep the ledger is a bad configuration.
func (w *redisWait) run(ctx context.Context) error {
	for {
		err := w.start(ctx)
		var passes *dedup.RedisError
		switch {
		case err == nil:
			if after, heard := w.away.over(); heard {
				w.log.Info("Redis answers", "after", after.Round(time.Millisecond).Seconds())
			}
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, &passes):
			return problem("dedup.redis", err)
		}
		w.status.waitFor("waiting for the ledger: " + passes.Error())
		if w.away.due() {
			w.log.Warn("the ledger in Redis cannot be used; waiting for it", "addresses", w.addresses, "error", passes.Error())
		}
		timer := time.NewTimer(time.Second)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
