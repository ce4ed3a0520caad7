package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/toprelay/worker/internal/dedup"
)

// redis looks at the server that keeps the ledger: whether it answers, lets the worker in, and would keep what it is told.
func (r *run) redis(ctx context.Context) {
	o, err := r.Redis()
	if err != nil {
		r.fail(BadConfiguration, err.Error(), "see the files with secrets and certificates")
		return
	}
	o.Timeout = r.Timeout
	where := strings.Join(o.Addresses, ", ")
	admin, err := dedup.DialRedis(ctx, o)
	if err != nil {
		r.redisTrouble(where, err)
		return
	}
	defer func() { _ = admin.Close() }() // nothing was written
	s := admin.Server()
	if err := s.Verdict(); err != nil {
		r.fail(BadConfiguration, where+": "+err.Error(), "the worker would not start: set what the server needs, and look again")
		return
	}
	for _, warning := range s.Warnings() {
		r.warn(where+": "+warning, "look at the server's own configuration")
	}
	emptied, err := admin.Emptied(ctx)
	switch {
	case err != nil:
		r.redisTrouble(where, err)
		return
	case emptied:
		r.warn(where+": Redis was emptied while a worker ran, and methods that must not be repeated make no calls",
			"find out why, look at what was sent, and run `worker dedup accept-reset`")
	}
	if s.Role == "slave" {
		r.fail(Fault, where+": it is a replica and takes no writes", "name the master in dedup.redis.addresses, or the sentinels with sentinel_master")
		return
	}
	r.ok("Redis%s at %s, %s, %d keys, %d KiB", spaced(s.Version), where, modeOf(s), s.Entries, s.Bytes>>10)
}

// redisTrouble says why the server cannot be looked at.
func (r *run) redisTrouble(where string, err error) {
	var known *dedup.RedisError
	if !errors.As(err, &known) {
		r.fail(BadConfiguration, where+": "+err.Error(), "see dedup.redis")
		return
	}
	cause := Unreachable
	if known.Trouble == dedup.RedisLogin || known.Trouble == dedup.RedisPermission {
		cause = Fault
	}
	r.fail(cause, fmt.Sprintf("%s: %v", where, err), "the worker would wait for it")
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

func modeOf(s dedup.RedisServer) string {
	if s.Mode == "" {
		return "mode unknown"
	}
	return s.Mode
}
