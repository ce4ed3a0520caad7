package integration

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/toprelay/worker/internal/simulator"
)

// newSharedRelay is a relay whose workers share a ledger in Redis.
func newSharedRelay(t *testing.T) (*relay, *miniredis.Miniredis) {
	server := miniredis.RunT(t)
	r := newRelay(t, setup{})
	r.configure("dedup.store=redis", "dedup.redis.addresses="+server.Addr())
	return r, server
}

// TestTwoWorkersShareALedger: two workers of one group send everything once, in the order of the keys, and when one of them
// is killed under load the other takes over; only the calls that were under way may be sent again, and no create.
func TestTwoWorkersShareALedger(t *testing.T) {
	t.Parallel()
	r, _ := newSharedRelay(t)
	r.configure("consumer.concurrency=8", "kafka.session_timeout=3s", "kafka.heartbeat_interval=500ms", "top.timeout=1s")
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Every: 1}, Action: simulator.Action{Delay: 10e6}})
	one := r.launch()
	one.awaitLog(`"msg":"ready"`)
	other := r.launch()
	other.awaitLog(`"msg":"ready"`)
	n := r.publishLoad(6, 10)
	r.sampleCommits()
	r.awaitExchanges(n/2, func(x exchange) bool { return x.accepted() })
	one.signal(syscall.SIGKILL)
	if code := one.wait(); code != -1 {
		t.Fatalf("exit code %d of a killed process: %s", code, one.last())
	}
	maySend := map[string]bool{}
	settled := one.settled()
	for _, e := range r.published {
		if e.kind.repeatable && !settled[e.id] {
			maySend[e.mark] = true
		}
	}
	r.settleAll()
	other.signal(syscall.SIGTERM)
	if code := other.wait(); code != 0 {
		t.Errorf("exit code %d of the other worker: %s", code, other.last())
	}
	r.audit(claims{restarted: true, sentTwice: maySend, version: "dev"})
}

// TestRedisAwayAtStart: the worker waits, alive and not ready, says why, and goes on when it is there.
func TestRedisAwayAtStart(t *testing.T) {
	t.Parallel()
	r, server := newSharedRelay(t)
	server.SetError("LOADING Redis is loading the dataset in memory")
	p := r.launch()
	p.awaitLog("the ledger in Redis cannot be used; waiting for it")
	p.awaitReadyz("Redis still reads its data")
	r.publish(logistics.event(1))
	server.SetError("")
	p.awaitLog(`"msg":"ready"`)
	r.awaitSettled(1)
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.last())
	}
	r.audit(claims{restarted: true, version: "dev"})
}

// TestRedisAway: while it is away no calls are made and nothing is given up.
func TestRedisAway(t *testing.T) {
	t.Parallel()
	r, server := newSharedRelay(t)
	r.start()
	r.publish(logistics.event(1))
	r.await(1)
	server.SetError("OOM command not allowed when used memory > 'maxmemory'.")
	calls := len(r.gateway.log())
	for i := range 5 {
		r.publish(logistics.event(10 + i))
	}
	r.awaitLog("the ledger does not answer; no calls are made", 1)
	if n := len(r.gateway.log()); n != calls {
		t.Errorf("%d calls without a ledger", n-calls)
	}
	server.SetError("")
	r.await(5)
	r.stop()
	r.audit(claims{})
}

// TestRedisIsEmptied: what must not be repeated waits for an operator, and all else goes on.
func TestRedisIsEmptied(t *testing.T) {
	t.Parallel()
	r, server := newSharedRelay(t)
	r.start()
	r.publish(create.event(1), logistics.event(1))
	r.await(2)
	server.FlushAll()
	r.awaitLog("methods that must not be repeated make no calls until an operator runs", 1)
	r.publish(create.event(2))
	r.awaitLog("the ledger gives no claims for a method; its events wait", 1)
	r.publish(logistics.event(2))
	if got := r.await(1); got[0].Key == "" || got[0].Type != logistics.typ {
		t.Errorf("%+v was settled", got[0])
	}
	epoch, err := server.Get("toprelay:epoch")
	r.must(err)
	r.must(server.Set("toprelay:epoch", fmt.Sprintf("%.16s accepted", epoch))) // as `worker dedup accept-reset` does
	r.await(1)
	r.stop()
	r.audit(claims{})
}
