package dedup

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
)

// newFakeRedis runs a server within the process whose expiry follows c. It knows the scripts' language, so that all that they
// decide is tested where there is Go only; what only a real server does is in the tests with the build tag redis.
func newFakeRedis(t testing.TB, c *clock) RedisOptions {
	t.Helper()
	at, stop := runFakeRedis(t, c, 0)
	t.Cleanup(stop)
	return at
}

func runFakeRedis(t testing.TB, c *clock, _ int) (RedisOptions, func()) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	if c != nil {
		c.moved = append(c.moved, m.FastForward)
	}
	return RedisOptions{Addresses: []string{m.Addr()}}, m.Close
}

// openRedis starts the store of a test; it is closed when the test ends.
func openRedis(t testing.TB, at RedisOptions, c *clock, o Options) *Redis {
	t.Helper()
	s, err := startRedis(t, at, c, o)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	return s
}

// startRedis is openRedis where the start may fail.
func startRedis(t testing.TB, at RedisOptions, c *clock, o Options) (*Redis, error) {
	t.Helper()
	o.Redis, o.Now, o.serverNow = at, c.source(), c.source()
	s, err := NewRedis(o)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, s.Start(t.Context())
}
