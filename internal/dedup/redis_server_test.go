//go:build redis

package dedup

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// server is a real redis-server of a test: in a process of its own, on a port of its own, which it keeps over restarts.
type server struct {
	t    testing.TB
	dir  string
	port int
	args []string
	cmd  *exec.Cmd
}

// runServer starts one and stops it when the test ends.
func runServer(t testing.TB, args ...string) *server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is missing: install the Debian package redis-server (apt-get install redis-server), version 6.2 or newer")
	}
	s := &server{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// freePort is a port that was free a moment ago, and whose number + 10000, the bus of a Cluster, is one too.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		must(t, l.Close())
		if port < 50000 {
			return port
		}
	}
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *server) options() RedisOptions { return RedisOptions{Addresses: []string{s.addr()}} }

// start runs the process and waits until it answers, with whatever.
func (s *server) start() {
	s.t.Helper()
	args := append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(s.port), "--dir", s.dir}, s.args...)
	if slices.Contains(args, "--sentinel") { // its configuration comes first
		args = append(slices.Clone(s.args), args[:len(args)-len(s.args)]...)
	} else {
		args = append([]string{"--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0"}, args...)
	}
	s.cmd = exec.Command("redis-server", args...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also where a test panics
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(s.t, err)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	must(s.t, s.cmd.Start())
	must(s.t, log.Close())
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for bound := time.After(20 * time.Second); ; {
		c, err := net.Dial("tcp", s.addr())
		if err == nil {
			must(s.t, c.Close())
			return
		}
		select {
		case <-tick.C:
		case <-bound:
			s.kill()
			said, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.t.Fatalf("redis-server does not listen: %s", said)
		}
	}
}

// kill ends the process at once, as kill -9 does.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // killed is what it was to be
	s.cmd = nil
}

// signal sends the process a signal.
func (s *server) signal(sig syscall.Signal) { must(s.t, s.cmd.Process.Signal(sig)) }

// tell runs a command of an administrator.
func (s *server) tell(args ...any) string {
	s.t.Helper()
	c := redis.NewClient(&redis.Options{Addr: s.addr()})
	defer c.Close()
	v, err := c.Do(context.Background(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return fmt.Sprint(v)
}

// await tells until the answer holds text.
func (s *server) await(text string, args ...any) {
	s.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for bound := time.After(30 * time.Second); ; {
		if got := s.tell(args...); strings.Contains(got, text) {
			return
		}
		select {
		case <-tick.C:
		case <-bound:
			s.t.Fatalf("%v never answered %q: %s", args, text, s.tell(args...))
		}
	}
}

// runCluster starts masters that share the slots.
func runCluster(t testing.TB, masters int) []*server {
	t.Helper()
	var nodes []*server
	const slots = 16384
	for range masters {
		nodes = append(nodes, runServer(t, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"))
	}
	for i, n := range nodes {
		n.tell("CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
		n.tell("CLUSTER", "SET-CONFIG-EPOCH", i+1)
	}
	for _, n := range nodes[1:] {
		nodes[0].tell("CLUSTER", "MEET", "127.0.0.1", n.port)
	}
	for _, n := range nodes {
		n.await("cluster_state:ok", "CLUSTER", "INFO")
		n.await(fmt.Sprint("cluster_known_nodes:", masters), "CLUSTER", "INFO")
	}
	return nodes
}

// runSentinel watches a master.
func runSentinel(t testing.TB, master *server) *server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	must(t, os.WriteFile(config, fmt.Appendf(nil, "sentinel monitor ledger 127.0.0.1 %d 1\nsentinel down-after-milliseconds ledger 500\n"+
		"sentinel failover-timeout ledger 2000\n", master.port), 0o600))
	return runServer(t, config, "--sentinel")
}

// shared are servers for tests that do nothing to them: each test has a prefix of its own.
var shared struct {
	once    sync.Once
	server  *server
	cluster []*server
	n       int
	mu      sync.Mutex
}

// sharedRedis is an empty place on a server, or on a Cluster, whose expiry follows c.
func sharedRedis(t testing.TB, c *clock, cluster bool) RedisOptions {
	shared.once.Do(func() {
		home := &lasting{TB: t}
		shared.server = runServer(home)
		shared.cluster = runCluster(home, 2)
	})
	shared.mu.Lock()
	shared.n++
	prefix := fmt.Sprintf("test%d:", shared.n)
	shared.mu.Unlock()
	nodes := []*server{shared.server}
	if cluster {
		nodes = shared.cluster
	}
	var o RedisOptions
	for _, n := range nodes {
		o.Addresses = append(o.Addresses, n.addr())
	}
	o.Prefix = prefix
	if c != nil {
		c.moved = append(c.moved, func(d time.Duration) {
			for _, n := range nodes {
				n.age(t, prefix, d)
			}
		})
	}
	return o
}

// age lets d pass for the expiry of all keys with a prefix.
func (s *server) age(t testing.TB, prefix string, d time.Duration) {
	c := redis.NewClient(&redis.Options{Addr: s.addr()})
	defer c.Close()
	ctx := context.Background()
	keys, err := c.Keys(ctx, prefix+"*").Result()
	must(t, err)
	for _, k := range keys {
		must(t, c.Eval(ctx, `local left = redis.call('PTTL', KEYS[1])
			if left >= 0 then redis.call('PEXPIRE', KEYS[1], left - ARGV[1]) end
			return 1`, []string{k}, d.Milliseconds()).Err())
	}
}

// lasting is a test's place for what lasts until the last test has ended.
type lasting struct{ testing.TB }

var atExit []func()

func (l *lasting) Cleanup(f func()) { atExit = append(atExit, f) }

func (l *lasting) TempDir() string {
	dir, err := os.MkdirTemp("", "toprelay-redis-*")
	must(l.TB, err)
	atExit = append(atExit, func() { _ = os.RemoveAll(dir) })
	return dir
}

func init() {
	lastThings = func() {
		for i := len(atExit) - 1; i >= 0; i-- {
			atExit[i]()
		}
	}
	stores = append(stores,
		kind{"redis-server", func(t testing.TB, c *clock, o Options) store { return openRedis(t, sharedRedis(t, c, false), c, o) }},
		kind{"redis-cluster", func(t testing.TB, c *clock, o Options) store { return openRedis(t, sharedRedis(t, c, true), c, o) }},
	)
	benched = append(benched, "redis-server", "redis-server everysec", "redis-server always")
	redisOfBench = func(b *testing.B, kind string) RedisOptions {
		if kind == "redis-server" {
			return runServer(b).options()
		}
		return runServer(b, "--appendonly", "yes", "--appendfsync", strings.TrimPrefix(kind, "redis-server ")).options()
	}
	modelled = append(modelled, "redis-server")
	redisOfModel["redis-server"] = func(t testing.TB, c *clock, _ int) (RedisOptions, func()) {
		return sharedRedis(t, c, false), func() {}
	}
}
