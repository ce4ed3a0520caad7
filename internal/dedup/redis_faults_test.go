//go:build redis

package dedup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/toprelay/worker/internal/consumer"
)

// What a real server does when it is in trouble: nothing is acknowledged, no claim is given, and all goes on by itself.

// refuses expects every call to fail with one of the troubles, until the test has seen it from each.
func refuses(t *testing.T, s *Redis, held consumer.LedgerKey, token uint64, want ...RedisTrouble) {
	t.Helper()
	is := func(err error) bool {
		for _, w := range want {
			if troubleOf(err) == w {
				return true
			}
		}
		return false
	}
	for _, r := range []consumer.ClaimRequest{repeatable("refused"), once("refused once")} {
		if c, err := s.Claim(t.Context(), r); !is(err) || c.Answer != 0 || c.Token != 0 {
			t.Errorf("Claim(%s): %s, %v; want %v", r.Key.ID, answerName(c.Answer), err, want)
		}
	}
	for name, err := range everyEnd(t.Context(), s, held, token) {
		if !is(err) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
	if err := s.Healthy(); !is(err) {
		t.Errorf("Healthy: %v, want %v", err, want)
	}
}

// goesOn expects the claim that was held to be completed, and new ones to be given without a doubt.
func goesOn(t *testing.T, s *Redis, held consumer.LedgerKey, token uint64) {
	t.Helper()
	bound := time.Now().Add(20 * time.Second)
	for err := error(&RedisError{}); err != nil; {
		if err = s.Delivered(t.Context(), held, token, contentNo(1), nil); errors.Is(err, consumer.ErrClaimLost) || time.Now().After(bound) {
			t.Fatalf("Delivered: %v", err)
		}
	}
	for _, r := range []consumer.ClaimRequest{repeatable("refused"), once("refused once")} {
		if c := eventually(t, s, r, consumer.AnswerMine); c.History.Attempts != 0 || c.History.Ambiguous {
			t.Errorf("%s came with %+v: a claim that nobody had counts as an attempt", r.Key.ID, c.History)
		}
	}
	must(t, s.Healthy())
}

// quick makes a store whose calls take at most 300 ms.
func quick(t *testing.T, srv *server) *Redis {
	at := srv.options()
	at.Timeout = 300 * time.Millisecond
	return openRedis(t, at, nil, Options{})
}

// TestServerIsKilled: it comes back with what its append-only file has, which is everything that was acknowledged.
func TestServerIsKilled(t *testing.T) {
	srv := runServer(t, "--appendonly", "yes", "--appendfsync", "always")
	s := quick(t, srv)
	held := mustClaim(t, s, once("held"), consumer.AnswerMine)
	deliver(t, s, "before")
	srv.kill()
	refuses(t, s, idOf("held"), held.Token, RedisDown, RedisSlow)
	srv.start()
	goesOn(t, s, idOf("held"), held.Token)
	mustClaim(t, s, repeatable("before"), consumer.AnswerDelivered)
	if got := testutil.ToFloat64(s.resets); got != 0 {
		t.Errorf("%v resets were counted", got)
	}
}

// TestServerIsKilledUnderLoad: whatever was acknowledged is there, and nothing else was sent twice.
func TestServerIsKilledUnderLoad(t *testing.T) {
	srv := runServer(t, "--appendonly", "yes", "--appendfsync", "always")
	s := quick(t, srv)
	const ids = 4000
	var acknowledged [ids]atomic.Bool
	done := make(chan error, 1)
	go func() {
		done <- callers(64, ids, func(i int) error {
			r := repeatable(fmt.Sprint("load ", i))
			r.Repeatable = i%2 == 0
			for {
				c, err := s.Claim(context.Background(), r)
				switch {
				case err != nil || c.Answer == consumer.AnswerBusy:
					continue
				case c.Answer != consumer.AnswerMine || c.History.Attempts > 0:
					return fmt.Errorf("id %d: %s with %+v", i, answerName(c.Answer), c.History)
				}
				for {
					err := s.Delivered(context.Background(), r.Key, c.Token, r.Content, nil)
					if errors.Is(err, consumer.ErrClaimLost) {
						return fmt.Errorf("id %d: %w", i, err)
					}
					if err == nil {
						acknowledged[i].Store(true)
						return nil
					}
				}
			}
		})
	}()
	for range 3 {
		srv.await("x", "ECHO", "x")
		srv.kill()
		srv.start()
	}
	must(t, <-done)
	for i := range acknowledged {
		r := repeatable(fmt.Sprint("load ", i))
		if acknowledged[i].Load() {
			mustClaim(t, s, r, consumer.AnswerDelivered)
		}
	}
}

// TestServerStands: a server that was stopped for 3 s with a claim in its hands has not made it when it goes on.
func TestServerStands(t *testing.T) {
	srv := runServer(t)
	s := openRedis(t, srv.options(), nil, Options{})
	other := openRedis(t, srv.options(), nil, Options{})
	held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	srv.signal(syscall.SIGSTOP)
	start := time.Now()
	timer := time.AfterFunc(3*time.Second, func() { srv.signal(syscall.SIGCONT) })
	defer timer.Stop()
	for _, r := range []consumer.ClaimRequest{once("refused once"), repeatable("refused")} {
		go func() { _, _ = s.Claim(t.Context(), r) }()
	}
	_, err := s.Claim(t.Context(), once("third"))
	if took := time.Since(start); troubleOf(err) != RedisSlow || took < 1900*time.Millisecond || took > 2600*time.Millisecond {
		t.Errorf("Claim: %v after %v, want RedisSlow after 2 s", err, took)
	}
	goesOn(t, s, idOf("held"), held.Token)
	eventually(t, other, once("third"), consumer.AnswerMine)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v until all went on", took)
	}
}

// TestServerIsEmptied is FLUSHALL, and a restart without a file.
func TestServerIsEmptied(t *testing.T) {
	for name, empty := range map[string]func(*server){
		"FLUSHALL": func(srv *server) { srv.tell("FLUSHALL") },
		"restart": func(srv *server) {
			srv.kill()
			srv.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := runServer(t)
			var log safeBuffer
			s := openRedis(t, srv.options(), nil, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			deliver(t, s, "a")
			held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
			empty(srv)
			for !s.epoch.paused() { // the watch sees it
				if c, err := s.Claim(t.Context(), once("once")); err == nil && c.Token != 0 {
					t.Fatalf("a claim in an emptied store: %s", answerName(c.Answer))
				}
			}
			eventually(t, s, repeatable("b"), consumer.AnswerMine)
			if err := s.Delivered(t.Context(), idOf("held"), held.Token, contentNo(1), nil); !errors.Is(err, consumer.ErrClaimLost) {
				t.Errorf("a claim that was lost: %v", err)
			}
			if got := testutil.ToFloat64(s.resets); got != 1 || !strings.Contains(log.String(), "accept-reset") {
				t.Errorf("%v resets were counted; the log: %s", got, log.String())
			}
			was, err := s.AcceptReset(t.Context())
			if !was || err != nil {
				t.Errorf("AcceptReset: %v, %v", was, err)
			}
			eventually(t, s, once("once"), consumer.AnswerMine)
		})
	}
}

func TestServerIsFull(t *testing.T) {
	srv := runServer(t)
	s := openRedis(t, srv.options(), nil, Options{})
	held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	deliver(t, s, "before")
	srv.tell("CONFIG", "SET", "maxmemory", "1")
	s.lookNow()
	for _, r := range []consumer.ClaimRequest{repeatable("refused"), once("refused once")} {
		if c, err := s.Claim(t.Context(), r); troubleOf(err) != RedisFull {
			t.Errorf("Claim: %s, %v; want RedisFull", answerName(c.Answer), err)
		}
	}
	if err := s.Delivered(t.Context(), idOf("held"), held.Token, contentNo(1), nil); troubleOf(err) != RedisFull {
		t.Errorf("Delivered: %v, want RedisFull", err)
	}
	if err := s.Healthy(); troubleOf(err) != RedisFull {
		t.Errorf("Healthy: %v, want RedisFull", err)
	}
	mustClaim(t, s, repeatable("before"), consumer.AnswerDelivered) // needs no room
	srv.tell("CONFIG", "SET", "maxmemory", "0")
	goesOn(t, s, idOf("held"), held.Token)
}

func TestServerBecomesAReplica(t *testing.T) {
	master, srv := runServer(t), runServer(t)
	s := openRedis(t, srv.options(), nil, Options{})
	held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	// Of a master that does not let it in: so it keeps its data.
	master.tell("CONFIG", "SET", "requirepass", "secret")
	srv.tell("REPLICAOF", "127.0.0.1", master.port)
	refuses(t, s, idOf("held"), held.Token, RedisReadOnly)
	srv.tell("REPLICAOF", "NO", "ONE")
	goesOn(t, s, idOf("held"), held.Token)
}

func TestScriptsAreForgotten(t *testing.T) {
	srv := runServer(t)
	s := openRedis(t, srv.options(), nil, Options{})
	stop := make(chan struct{})
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		for {
			select {
			case <-stop:
				return
			default:
				_ = s.server().ScriptFlush(context.Background()).Err()
			}
		}
	}()
	must(t, callers(16, 2000, func(i int) error {
		r := repeatable(fmt.Sprint(i))
		c, err := s.Claim(t.Context(), r)
		if err == nil && c.Answer != consumer.AnswerMine {
			err = errors.New(answerName(c.Answer))
		}
		if err == nil {
			err = s.Delivered(t.Context(), r.Key, c.Token, r.Content, nil)
		}
		return err
	}))
	close(stop)
	<-flushed
}

// TestPasswordIsRotated: new connections use the new password, and a wrong one is said.
func TestPasswordIsRotated(t *testing.T) {
	srv := runServer(t)
	srv.tell("ACL", "SETUSER", "worker", "on", ">first", "~*", "&*", "+@all")
	var password atomic.Value
	password.Store("first")
	at := srv.options()
	at.Timeout = 300 * time.Millisecond
	at.Username, at.Password = "worker", func() string { return password.Load().(string) }
	s := openRedis(t, at, nil, Options{})
	held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	srv.tell("ACL", "SETUSER", "worker", "resetpass", ">second")
	srv.tell("CLIENT", "KILL", "USER", "worker")
	for err := error(nil); troubleOf(err) != RedisLogin; _, err = s.Claim(t.Context(), repeatable("refused")) {
		if err != nil && troubleOf(err) != RedisSlow && troubleOf(err) != RedisDown { // the connections that were cut
			t.Fatal(err)
		}
	}
	refuses(t, s, idOf("held"), held.Token, RedisLogin)
	password.Store("second")
	goesOn(t, s, idOf("held"), held.Token)
	srv.tell("ACL", "SETUSER", "worker", "-evalsha", "-eval")
	refuses(t, s, idOf("held"), held.Token, RedisPermission)
}

// TestFirstPasswordIsWrong: it is no reason to stop, as it can be put right.
func TestFirstPasswordIsWrong(t *testing.T) {
	srv := runServer(t, "--requirepass", "secret")
	for _, password := range []func() string{nil, func() string { return "wrong" }} {
		at := srv.options()
		at.Password = password
		if _, err := startRedis(t, at, nil, Options{}); troubleOf(err) != RedisLogin {
			t.Errorf("Start: %v, want RedisLogin", err)
		}
	}
}

func TestStartRefusesAServerThatForgets(t *testing.T) {
	srv := runServer(t)
	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "volatile-lru"} {
		srv.tell("CONFIG", "SET", "maxmemory-policy", policy)
		if _, err := startRedis(t, srv.options(), nil, Options{}); err == nil || troubleOf(err) != "" || !strings.Contains(err.Error(), policy) {
			t.Errorf("Start with %s: %v", policy, err)
		}
	}
	// Where INFO is not allowed the settings are asked; where both are not, it is said.
	srv.tell("ACL", "SETUSER", "worker", "on", "nopass", "~*", "&*", "+@all", "-info")
	at := srv.options()
	at.Username, at.Password = "worker", func() string { return "x" }
	if _, err := startRedis(t, at, nil, Options{}); err == nil || !strings.Contains(err.Error(), "volatile-lru") {
		t.Errorf("Start without INFO: %v", err)
	}
	srv.tell("ACL", "SETUSER", "worker", "-config")
	var log safeBuffer
	s, err := startRedis(t, at, nil, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, err)
	mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
	if text := log.String(); !strings.Contains(text, "maxmemory-policy") || !strings.Contains(text, "version") {
		t.Errorf("the log says %s", text)
	}
	// A policy that changes later is said, and nothing stops.
	log = safeBuffer{}
	srv.tell("ACL", "SETUSER", "worker", "+info")
	if got := s.checkPolicy(t.Context(), noEviction); got != "volatile-lru" || !strings.Contains(log.String(), "volatile-lru") {
		t.Errorf("%q; the log says %s", got, log.String())
	}
}

// TestReplicasMustHaveIt: with wait_replicas a write that they do not have is no success, and the same once more is.
func TestReplicasMustHaveIt(t *testing.T) {
	srv, replica := runServer(t), runServer(t)
	replica.tell("REPLICAOF", "127.0.0.1", srv.port)
	replica.await("master_link_status:up", "INFO", "replication")
	srv.await("state=online", "INFO", "replication")
	at := srv.options()
	at.WaitReplicas, at.Timeout = 1, 500*time.Millisecond
	s := openRedis(t, at, nil, Options{})
	held := eventually(t, s, once("held"), consumer.AnswerMine) // a replica is called online before it gets anything
	deliver(t, s, "a")
	replica.signal(syscall.SIGSTOP)
	if c, err := s.Claim(t.Context(), once("refused once")); troubleOf(err) != RedisReplicas {
		t.Errorf("Claim: %s, %v; want RedisReplicas", answerName(c.Answer), err)
	}
	err := s.Delivered(t.Context(), idOf("held"), held.Token, contentNo(1), nil)
	if troubleOf(err) != RedisReplicas {
		t.Errorf("Delivered: %v, want RedisReplicas", err)
	}
	mustClaim(t, s, repeatable("b"), consumer.AnswerMine) // a claim that may be lost
	replica.signal(syscall.SIGCONT)
	goesOn(t, s, idOf("held"), held.Token)
	if got := replica.tell("DBSIZE"); got == "0" {
		t.Error("the replica has nothing")
	}
}

// TestFailOverToAnEmptyServer: the address leads to another server, as after a fail-over that lost everything.
func TestFailOverToAnEmptyServer(t *testing.T) {
	first, second := runServer(t), runServer(t)
	w := newWire(t, first.addr())
	s := openRedis(t, w.options(), nil, Options{})
	deliver(t, s, "a")
	w.lead(second.addr())
	for !s.epoch.paused() {
		if c, err := s.Claim(t.Context(), once("a")); err == nil && c.Token != 0 {
			t.Fatalf("a claim in an empty store: %s", answerName(c.Answer))
		}
	}
	if got := testutil.ToFloat64(s.resets); got != 1 {
		t.Errorf("%v resets were counted", got)
	}
}

// TestOneAddressOfACluster is enough.
func TestOneAddressOfACluster(t *testing.T) {
	at := sharedRedis(t, nil, true)
	at.Addresses = at.Addresses[:1]
	s := openRedis(t, at, nil, Options{})
	must(t, callers(8, 200, func(i int) error {
		r := repeatable(fmt.Sprint(i))
		c, err := s.Claim(t.Context(), r)
		if err == nil {
			err = s.Delivered(t.Context(), r.Key, c.Token, r.Content, nil)
		}
		return err
	}))
	at.WaitReplicas = 1
	if _, err := startRedis(t, at, nil, Options{}); err == nil || troubleOf(err) != "" {
		t.Errorf("wait_replicas with a Cluster: %v", err)
	}
}

// TestSentinelFailsOver: the workers follow to the new master.
func TestSentinelFailsOver(t *testing.T) {
	master, replica := runServer(t), runServer(t)
	replica.tell("REPLICAOF", "127.0.0.1", master.port)
	replica.await("master_link_status:up", "INFO", "replication")
	sentinel := runSentinel(t, master)
	sentinel.await("num-slaves:1", "SENTINEL", "MASTER", "ledger")
	at := sentinel.options()
	at.SentinelMaster, at.Timeout = "ledger", time.Second
	s := openRedis(t, at, nil, Options{})
	held := mustClaim(t, s, repeatable("held"), consumer.AnswerMine)
	replica.await("1", "EXISTS", redisKey(defaultRedisPrefix, keyOf(idOf("held"))))
	master.kill()
	goesOn(t, s, idOf("held"), held.Token)
	if got := testutil.ToFloat64(s.resets); got != 0 {
		t.Errorf("%v resets were counted", got)
	}
}
