//go:build redis

package dedup

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/toprelay/worker/internal/consumer"
)

// Replicas, fail-overs, and the nodes of a Cluster.

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
