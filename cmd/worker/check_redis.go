package main

import (
	"context"
	"errors"
	"time"

	"github.com/toprelay/worker/internal/check"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/dedup"
)

// lookAtRedis asks the Redis of the ledger what it is. It holds no claims and changes nothing.
func lookAtRedis(ctx context.Context, cfg *config.Config, limit time.Duration) (check.RedisState, check.Cause, error) {
	o, err := redisOptions(cfg)
	if err != nil {
		return check.RedisState{}, check.BadConfiguration, err
	}
	o.Timeout = limit
	admin, err := dedup.DialRedis(ctx, o)
	if err != nil {
		return check.RedisState{}, redisCause(err), err
	}
	defer func() { _ = admin.Close() }() // nothing was written
	s := admin.Server()
	state := check.RedisState{
		Version: s.Version, Mode: s.Mode, Keys: s.Entries, Bytes: s.Bytes, Replica: s.Role == "slave",
		Refused: s.Verdict(), Warnings: s.Warnings(),
	}
	if state.Emptied, err = admin.Emptied(ctx); err != nil {
		return state, redisCause(err), err
	}
	return state, "", nil
}

// redisCause says whose matter an error of Redis is.
func redisCause(err error) check.Cause {
	var e *dedup.RedisError
	switch {
	case !errors.As(err, &e):
		return check.BadConfiguration
	case e.Trouble == dedup.RedisLogin, e.Trouble == dedup.RedisPermission:
		return check.Fault
	default:
		return check.Unreachable
	}
}
