package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// publishLoad publishes events of all five types that keep a worker busy for a while.
func (r *relay) publishLoad(keys, each int) int {
	r.t.Helper()
	var events []*ev
	for n := range keys * each {
		for _, k := range repeatableKinds {
			events = append(events, k.event(n%keys))
		}
		events = append(events, create.event(n))
	}
	r.publish(events...)
	return len(events)
}

// TestSIGTERM: under load the worker drains, commits and exits with 0, and the next one sends nothing twice.
func TestSIGTERM(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, setup{})
			r.configure("consumer.concurrency=8", "top.timeout=10s")
			r.gateway.faults(simulator.Fault{Match: simulator.Match{Every: 1}, Action: simulator.Action{Delay: 20e6}})
			n := r.publishLoad(4, 10)
			r.sampleCommits()
			p := r.launch()
			r.awaitExchanges(n/4, func(x exchange) bool { return !x.Open })
			p.signal(s)
			if code := p.wait(); code != 0 {
				t.Errorf("exit code %d: %s", code, p.last())
			}
			if !strings.Contains(p.last(), `"msg":"stopped"`) {
				t.Errorf("the last line is %s", p.last())
			}
			if draining := entries(p.log.String(), "draining"); len(draining) != 1 || draining[0]["timeout"] != "20s" || draining[0]["calls_in_flight"] == nil {
				t.Errorf("the drain is said as %v", draining)
			}
			calls := r.gateway.log()
			if open := of(calls, func(x exchange) bool { return x.Open || !x.Whole }); len(open) != 0 {
				t.Errorf("%d calls were cut off by the stop", len(open))
			}
			if len(calls) == n {
				t.Error("the load was over before the signal came: the test shows nothing")
			}
			if lag := r.lag(); lag == 0 || lag == int64(n) {
				t.Errorf("lag %d of %d after the first worker: it must have committed what it settled and no more", lag, n)
			}
			q := r.launch()
			r.awaitSettled(n)
			r.settleAll()
			q.signal(s)
			if code := q.wait(); code != 0 {
				t.Errorf("exit code %d of the second worker: %s", code, q.last())
			}
			r.audit(claims{restarted: true, version: "dev"})
			if got := len(r.gateway.log()); got != n {
				t.Errorf("%d calls of %d events", got, n)
			}
		})
	}
}

// TestSIGTERMTwice: the second signal stops at once, with 1.
func TestSIGTERMTwice(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.configure("top.timeout=60s", "consumer.drain_timeout=90s", "kafka.rebalance_timeout=100s", "kafka.session_timeout=3s", "kafka.heartbeat_interval=500ms")
	r.gateway.faults(simulator.Fault{Action: simulator.Action{Delay: patience}})
	e := logistics.event(1)
	r.publish(e)
	p := r.launch()
	r.awaitExchanges(1, byMark(e.mark))
	p.signal(syscall.SIGTERM)
	// Kafka sees nothing of a drain, so it is the ops listener that tells that the first signal has been heard.
	p.awaitReadyz("draining")
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if draining := entries(p.log.String(), "draining"); len(draining) != 1 || draining[0]["calls_in_flight"] != 1.0 || draining[0]["timeout"] != "1m30s" {
		t.Errorf("the drain is said as %v", draining)
	}
	if !strings.Contains(p.last(), "stopped at once by a second signal") || !strings.Contains(p.last(), `"calls_in_flight":1`) {
		t.Errorf("the last line is %s", p.last())
	}
	r.gateway.faults()
	q := r.launch()
	r.awaitSettled(1)
	r.settleAll()
	q.signal(syscall.SIGTERM)
	if code := q.wait(); code != 0 {
		t.Errorf("exit code %d of the second worker", code)
	}
	r.audit(claims{restarted: true})
}

// TestSIGKILL: killed under load, twice, the worker loses nothing and keeps the order of each key. What may be sent again
// are the calls that were under way; a create is not among them.
func TestSIGKILL(t *testing.T) {
	t.Parallel()
	const concurrency, kills = 8, 2
	r := newRelay(t, setup{})
	r.configure(fmt.Sprintf("consumer.concurrency=%d", concurrency), "kafka.session_timeout=3s", "kafka.heartbeat_interval=500ms")
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Every: 1}, Action: simulator.Action{Delay: 10e6}})
	n := r.publishLoad(6, 10)
	r.sampleCommits()
	maySend := map[string]bool{}
	seen := 0
	for range kills {
		p := r.launch()
		seen += n / 4
		r.awaitExchanges(seen, func(x exchange) bool { return x.accepted() })
		p.signal(syscall.SIGKILL)
		if code := p.wait(); code != -1 {
			t.Fatalf("exit code %d of a killed process: %s", code, p.last())
		}
		settled := p.settled()
		for _, e := range r.published {
			if e.kind.repeatable && !settled[e.id] {
				maySend[e.mark] = true
			}
		}
	}
	q := r.launch()
	q.awaitLog(`"msg":"ready"`)
	r.settleAll()
	q.signal(syscall.SIGTERM)
	if code := q.wait(); code != 0 {
		t.Errorf("exit code %d of the last worker: %s", code, q.last())
	}
	fates := r.audit(claims{restarted: true, sentTwice: maySend, version: "dev"})
	twice := 0
	for _, f := range fates {
		switch accepted := len(of(f.Calls, exchange.accepted)); {
		case accepted > 1+kills:
			t.Errorf("%s: accepted %d times after %d kills", &f, accepted, kills)
		case accepted > 1:
			twice++
		}
		if f.Letter != nil && f.Reason != "outcome_unknown" {
			t.Errorf("%s: a dead letter of a kill: %s", &f, f.Reason)
		}
	}
	if twice > kills*concurrency {
		t.Errorf("%d events were accepted more than once: %d kills with %d calls in flight", twice, kills, concurrency)
	}
	if len(r.gateway.log()) < n {
		t.Errorf("%d calls of %d events", len(r.gateway.log()), n)
	}
}
