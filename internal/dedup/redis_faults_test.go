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
// TestEncrypted: over TLS, and only with a certificate that is trusted.
// TestFirstPasswordIsWrong: it is no reason to stop, as it can be put right.
// TestReplicasMustHaveIt: with wait_replicas a write that they do not have is no success, and the same once more is.
// TestFailOverToAnEmptyServer: the address leads to another server, as after a fail-over that lost everything.
// TestOneAddressOfACluster is enough.
// TestSentinelFailsOver: the workers follow to the new master.
