package dedup

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

const noEviction = "noeviction"

// oldestRedis is the oldest server whose scripts may write after they asked for the time, as all of ours do, and that is still
// looked after by somebody.
const oldestRedis = "6.2"

// RedisServer is what a server says of itself. What it may not be asked is empty.
type RedisServer struct {
	Version string
	Mode    string // standalone, sentinel or cluster
	Role    string // master or slave
	Policy  string // maxmemory-policy
	Durable bool   // it writes an append-only file
	Entries int64  // keys in the database, of all masters
	Bytes   int64  // memory in use, of all masters
}

// Start connects, refuses a server that would not keep what it was told, and lets the store begin. An error that is a
// *RedisError may pass; all others need somebody to change something.
func (s *Redis) Start(ctx context.Context) error {
	if s.started.Load() {
		return nil
	}
	seen, err := s.inspect(ctx)
	if err != nil {
		return fmt.Errorf("start the ledger: %w", err)
	}
	if seen.Mode == "cluster" && !s.cluster.Load() { // one address of it is enough
		if err := s.opts.Redis.fitsCluster(); err != nil {
			return err
		}
		s.connect(true)
		if seen, err = s.inspect(ctx); err != nil {
			return fmt.Errorf("start the ledger: %w", err)
		}
	}
	if err := seen.Verdict(); err != nil {
		return err
	}
	for _, warning := range seen.Warnings() {
		s.opts.Logger.Warn(warning)
	}
	if err := s.lookAtEpoch(ctx); err != nil {
		return fmt.Errorf("start the ledger: %w", err)
	}
	s.begin()
	return nil
}

// begin runs the goroutines of the store.
func (s *Redis) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	var senders, watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx) })
	for range redisSenders {
		senders.Go(s.send)
	}
	go func() {
		senders.Wait()
		cancel()
		watching.Wait()
		close(s.ended)
	}()
	s.started.Store(true)
}

// Verdict is why a ledger must not be kept on such a server, or nil.
func (r RedisServer) Verdict() error {
	if r.Version != "" && older(r.Version, oldestRedis) {
		return fmt.Errorf("the ledger needs Redis %s or newer, and this is %s", oldestRedis, r.Version)
	}
	if r.Policy != "" && r.Policy != noEviction {
		return fmt.Errorf("the maxmemory-policy of Redis is %s: it would throw ids away, and what was delivered would be sent again; set it to %s",
			r.Policy, noEviction)
	}
	return nil
}

// Warnings are what a worker can run with.
func (r RedisServer) Warnings() (all []string) {
	if r.Version == "" {
		all = append(all, "Redis does not tell its version (INFO is not allowed): the ledger needs "+oldestRedis+" or newer")
	}
	if r.Policy == "" {
		all = append(all, "Redis does not tell its maxmemory-policy (INFO and CONFIG GET are not allowed): it must be "+noEviction+
			", or ids are thrown away and what was delivered is sent again")
	}
	if r.Version != "" && !r.Durable {
		all = append(all, "Redis writes no append-only file: when it stops, the ids since its last snapshot are forgotten, and such events may be sent again; "+
			"set appendonly to yes")
	}
	return all
}

// inspect asks all masters and keeps the worst of what they say. Only a server that cannot be asked at all is an error.
func (s *Redis) inspect(ctx context.Context) (RedisServer, error) {
	var mu sync.Mutex
	var all RedisServer
	first := true
	err := s.directly(ctx, func(ctx context.Context, c redis.UniversalClient) error {
		if err := c.Ping(ctx).Err(); err != nil {
			return err
		}
		return eachMaster(ctx, c, func(ctx context.Context, c redis.Cmdable) error {
			one, err := inspectOne(ctx, c)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if first {
				all, first = one, false
				return nil
			}
			all.add(one)
			return nil
		})
	})
	if err != nil {
		return RedisServer{}, err
	}
	s.figures.bytes.store(float64(all.Bytes))
	s.figures.entries.store(float64(max(all.Entries-1, 0))) // the epoch is none
	return all, nil
}

// add takes what another master of the same Cluster says.
func (r *RedisServer) add(o RedisServer) {
	r.Entries += o.Entries
	r.Bytes += o.Bytes
	r.Durable = r.Durable && o.Durable
	if o.Policy != "" && (r.Policy == "" || r.Policy == noEviction) {
		r.Policy = o.Policy
	}
	if o.Version != "" && (r.Version == "" || older(o.Version, r.Version)) {
		r.Version = o.Version
	}
}

func eachMaster(ctx context.Context, c redis.UniversalClient, ask func(context.Context, redis.Cmdable) error) error {
	if cluster, ok := c.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return ask(ctx, c) })
	}
	return ask(ctx, c)
}

// inspectOne asks one server. What it refuses to tell stays empty; what is no refusal is an error.
func inspectOne(ctx context.Context, c redis.Cmdable) (RedisServer, error) {
	told := map[string]string{}
	for _, section := range []string{"server", "replication", "memory", "persistence"} {
		text, err := c.Info(ctx, section).Result()
		if refused, err := refusal(err); err != nil {
			return RedisServer{}, err
		} else if refused {
			continue
		}
		for line := range strings.Lines(text) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
				told[name] = value
			}
		}
	}
	r := RedisServer{
		Version: told["redis_version"], Mode: told["redis_mode"], Role: told["role"],
		Policy: told["maxmemory_policy"], Durable: told["aof_enabled"] == "1",
	}
	r.Bytes, _ = strconv.ParseInt(told["used_memory"], 10, 64)
	if r.Policy == "" {
		settings, err := c.ConfigGet(ctx, "maxmemory-policy").Result()
		if _, err := refusal(err); err != nil {
			return RedisServer{}, err
		}
		r.Policy = settings["maxmemory-policy"]
	}
	n, err := c.DBSize(ctx).Result()
	if _, err := refusal(err); err != nil {
		return RedisServer{}, err
	}
	r.Entries = n
	return r, nil
}

// refusal says whether the server answered that it does not do this for us.
func refusal(err error) (refused bool, other error) {
	if err == nil {
		return false, nil
	}
	if t := judge(err).Trouble; t == RedisPermission || t == RedisOther && errors.As(err, new(redis.Error)) {
		return true, nil
	}
	return false, err
}

// older compares versions by their first two numbers.
func older(version, than string) bool {
	major, minor := firstTwo(version)
	otherMajor, otherMinor := firstTwo(than)
	return major < otherMajor || major == otherMajor && minor < otherMinor
}

func firstTwo(version string) (major, minor int) {
	parts := strings.SplitN(version, ".", 3)
	major, _ = strconv.Atoi(parts[0])
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}
