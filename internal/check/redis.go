package check

import (
	"context"
	"fmt"
	"strings"
)

// RedisState is what the Redis of the ledger says of itself.
type RedisState struct {
	Version, Mode string // empty: it does not tell
	Keys, Bytes   int64
	Replica       bool
	Emptied       bool     // while a worker ran, and nobody has accepted it
	Refused       error    // why a worker would not start with it
	Warnings      []string // what a worker can run with
}

// redis looks at the server that keeps the ledger: whether it answers, lets the worker in, and would keep what it is told.
func (r *run) redis(ctx context.Context) {
	where := strings.Join(r.Config.Dedup.Redis.Addresses, ", ")
	s, cause, err := r.Redis(ctx, r.Timeout)
	switch {
	case err != nil && cause == BadConfiguration:
		r.fail(cause, fmt.Sprintf("%s: %v", where, err), "see dedup.redis")
		return
	case err != nil:
		r.fail(cause, fmt.Sprintf("%s: %v", where, err), "the worker would wait for it")
		return
	case s.Refused != nil:
		r.fail(BadConfiguration, fmt.Sprintf("%s: %v", where, s.Refused), "the worker would not start: set what the server needs, and look again")
		return
	}
	for _, warning := range s.Warnings {
		r.warn(where+": "+warning, "look at the server's own configuration")
	}
	if s.Emptied {
		r.warn(where+": Redis was emptied while a worker ran, and methods that must not be repeated make no calls",
			"find out why, look at what was sent, and run `worker dedup accept-reset`")
	}
	if s.Replica {
		r.fail(Fault, where+": it is a replica and takes no writes", "name the master in dedup.redis.addresses, or the sentinels with sentinel_master")
		return
	}
	r.ok("Redis at %s, version %s, %s, %d keys, %d KiB", where, told(s.Version), told(s.Mode), s.Keys, s.Bytes>>10)
}

func told(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
