package check

import (
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/toprelay/worker/internal/dedup"
)

// TestRedis: a server within the process that tells neither version nor settings, which real servers do (internal/dedup).
func TestRedis(t *testing.T) {
	p := newPlace(t)
	server := miniredis.RunT(t)
	var password func() string
	at := func(addresses ...string) []Finding {
		cfg := p.load("dedup.store=redis", "dedup.redis.addresses="+addresses[0])
		return Run(t.Context(), Options{Config: cfg, Timeout: patience, Only: []string{Ledger}, Redis: func() (dedup.RedisOptions, error) {
			return dedup.RedisOptions{Addresses: addresses, Password: password, WaitReplicas: len(addresses) - 1}, nil
		}})
	}
	untold := []string{"warning ledger does not tell its version", "warning ledger does not tell its maxmemory-policy"}
	want(t, at(server.Addr()), append(untold, "ok ledger Redis at "+server.Addr())...)
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("the check left %v", keys)
	}
	if err := server.Set("toprelay:epoch", "00000000000000aa reset"); err != nil {
		t.Fatal(err)
	}
	want(t, at(server.Addr()), append(untold, "warning ledger was emptied … worker dedup accept-reset", "ok ledger Redis at")...)

	server.RequireAuth("right")
	want(t, at(server.Addr()), "failed/fault ledger refused the login")
	password = func() string { return "wrong" }
	want(t, at(server.Addr()), "failed/fault ledger refused the login")
	password = func() string { return "right" }
	want(t, at(server.Addr()), append(untold, "warning ledger was emptied", "ok ledger Redis at")...)

	server.SetError("LOADING Redis is loading the dataset in memory")
	want(t, at(server.Addr()), "failed/unreachable ledger still reads its data … the worker would wait for it")
	want(t, at("127.0.0.1:1"), "failed/unreachable ledger cannot be reached")
	want(t, at("127.0.0.1:1", "127.0.0.1:2"), "failed/configuration ledger not with a Cluster")
}
