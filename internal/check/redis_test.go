package check

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestRedis(t *testing.T) {
	cfg := newPlace(t).load("dedup.store=redis", "dedup.redis.addresses=h:1")
	for _, test := range []struct {
		state RedisState
		cause Cause
		err   error
		want  []string
	}{
		{state: RedisState{Version: "7.0.15", Mode: "standalone", Keys: 3, Bytes: 2048}, want: []string{"ok ledger Redis at h:1, version 7.0.15, standalone, 3 keys, 2 KiB"}},
		{state: RedisState{Warnings: []string{"no file"}, Emptied: true}, want: []string{
			"warning ledger no file", "warning ledger was emptied … worker dedup accept-reset", "ok ledger version unknown"}},
		{state: RedisState{Replica: true}, want: []string{"failed/fault ledger is a replica … sentinel_master"}},
		{state: RedisState{Refused: errors.New("allkeys-lru")}, want: []string{"failed/configuration ledger allkeys-lru … would not start"}},
		{cause: Unreachable, err: errors.New("away"), want: []string{"failed/unreachable ledger away … would wait"}},
		{cause: Fault, err: errors.New("login"), want: []string{"failed/fault ledger login"}},
		{cause: BadConfiguration, err: errors.New("a Cluster"), want: []string{"failed/configuration ledger a Cluster … see dedup.redis"}},
	} {
		got := Run(t.Context(), Options{Config: cfg, Timeout: patience, Only: []string{Ledger}, Redis: func(_ context.Context, limit time.Duration) (RedisState, Cause, error) {
			if limit != patience {
				t.Errorf("a limit of %v", limit)
			}
			return test.state, test.cause, test.err
		}})
		want(t, got, test.want...)
	}
}
