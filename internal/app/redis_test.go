package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/dedup"
)

// TestStartWaitsForRedis: as long as it takes, not ready, and says so once a minute.
func TestStartWaitsForRedis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &status{}
		begin, tries := time.Now(), 0
		w := &redisWait{log: slog.New(slog.NewTextHandler(&log, nil)), status: s, start: func(context.Context) error {
			if tries++; time.Since(begin) < 150*time.Second {
				return &dedup.RedisError{Trouble: dedup.RedisLoading}
			}
			return nil
		}}
		if err := w.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if tries != 151 {
			t.Errorf("%d tries in 150 s", tries)
		}
		if n := strings.Count(log.String(), "waiting for it"); n != 3 || !strings.Contains(log.String(), "Redis answers") {
			t.Errorf("said %d times: %s", n, log.String())
		}
		if err := s.group(); err == nil || !strings.Contains(err.Error(), "waiting for the ledger: Redis still reads its data") {
			t.Errorf("not ready because of %v", err)
		}
	})
}

// TestStartRefusesRedis: what does not pass is a bad configuration, and a stop is none.
func TestStartRefusesRedis(t *testing.T) {
	w := &redisWait{log: slog.New(slog.DiscardHandler), status: &status{}}
	w.start = func(context.Context) error { return errors.New("its policy") }
	var problems config.Problems
	if err := w.run(t.Context()); !errors.As(err, &problems) || problems[0].Key != "dedup.redis" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.start = func(context.Context) error {
		cancel()
		return &dedup.RedisError{Trouble: dedup.RedisDown}
	}
	if err := w.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

func TestRedisOptions(t *testing.T) {
	o, err := Redis(config.Redis{
		Addresses: []string{"a:1", "b:1"}, SentinelMaster: "m", DB: 2, Username: "u", Prefix: "p:", WaitReplicas: 3, TLS: &config.TLS{},
	}, nil)
	if err != nil || o.Addresses[1] != "b:1" || o.SentinelMaster != "m" || o.DB != 2 || o.Username != "u" || o.Prefix != "p:" ||
		o.WaitReplicas != 3 || o.TLS == nil || o.Password != nil {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := Redis(config.Redis{TLS: &config.TLS{CAFile: filepath.Join(t.TempDir(), "none")}}, nil); err == nil {
		t.Error("a CA that is not there: no error")
	}
}
