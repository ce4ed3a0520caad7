package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/dedup"
)

// dedupConfig is a configuration with a ledger in Redis, and one with a file.
func dedupConfig(t *testing.T, addr string) (redis, sqlite string) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"app-secret": "secret-not-real", "redis.yaml": "dedup: {store: redis, redis: {addresses: ['" + addr + "']}}\n",
		"sqlite.yaml": "dedup: {path: ledger.db}\n",
	} {
		if strings.HasSuffix(name, ".yaml") {
			text += "top: {accounts: {default: {app_key: '1', app_secret_file: app-secret}}}\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "redis.yaml"), filepath.Join(dir, "sqlite.yaml")
}

func TestDedupCommands(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	redis, sqlite := dedupConfig(t, server.Addr())
	fill := func(l consumer.Ledger) {
		t.Helper()
		r := consumer.ClaimRequest{Key: consumer.LedgerKey{Method: "m", Account: "a", ID: "1"}, Lease: 1e9, Repeatable: true}
		claim, err := l.Claim(t.Context(), r)
		if err == nil {
			err = l.Delivered(t.Context(), r.Key, claim.Token, r.Content, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	expect := func(code int, in string, args ...string) {
		t.Helper()
		got, stdout, stderr := worker(t, "", args...)
		if all := stdout + stderr; got != code || !strings.Contains(strings.Join(strings.Fields(all), " "), in) {
			t.Errorf("worker %s: exit code %d, want %d and %q:\n%s", strings.Join(args, " "), got, code, in, all)
		}
	}

	expect(exitNotFound, "there is no ledger", "dedup", "stats", "--config", sqlite)
	file, err := dedup.Open(t.Context(), dedup.Options{Path: filepath.Join(filepath.Dir(sqlite), "ledger.db")})
	if err != nil {
		t.Fatal(err)
	}
	fill(file)
	expect(exitOK, "m a delivered 1 all 1", "dedup", "stats", "--config", sqlite) // while it is open
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	expect(exitConfig, "only a ledger in Redis", "dedup", "accept-reset", "--yes", "--config", sqlite)
	expect(exitConfig, "in the memory of the worker", "dedup", "stats", "--config", sqlite, "--set", "dedup.store=memory")

	shared, err := dedup.NewRedis(dedup.Options{Redis: dedup.RedisOptions{Addresses: []string{server.Addr()}}})
	if err == nil {
		err = shared.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = shared.Close() }()
	fill(shared)
	expect(exitOK, `{ "store": "redis", "entries": 1, "emptied": false, "counts": [ { "method": "m", "account": "a", "state": "delivered", "entries": 1 } ] }`,
		"dedup", "stats", "--config", redis, "-o", "json")
	expect(exitOK, "nothing to accept", "dedup", "accept-reset", "--yes", "--config", redis)
	if err := server.Set("toprelay:epoch", "00000000000000aa reset"); err != nil {
		t.Fatal(err)
	}
	expect(exitOK, "all 1 Redis was emptied", "dedup", "stats", "--config", redis)
	expect(exitUsage, "--yes", "dedup", "accept-reset", "--config", redis)
	expect(exitOK, "methods that must not be repeated wait", "dedup", "accept-reset", "--dry-run", "--config", redis)
	expect(exitOK, `{"accepted":true,"emptied":true}`, "dedup", "accept-reset", "--yes", "--config", redis, "-o", "json")
	expect(exitOK, "nothing to accept", "dedup", "accept-reset", "--dry-run", "--config", redis)
	expect(exitOK, "! ledger "+server.Addr()+": Redis does not tell its version", "check", "--only", "ledger", "--config", redis)
	expect(exitOK, "✓ ledger Redis at "+server.Addr(), "check", "--only", "ledger", "--config", redis)
	server.SetError("LOADING Redis is loading the dataset in memory")
	expect(exitUnreachable, "still reads its data", "check", "--only", "ledger", "--config", redis)
	server.SetError("NOAUTH Authentication required.")
	expect(exitFailed, "refused the login", "check", "--only", "ledger", "--config", redis)
	server.SetError("")
	expect(exitUnreachable, "cannot be reached", "dedup", "stats", "--config", redis, "--set", "dedup.redis.addresses=127.0.0.1:1")
}
