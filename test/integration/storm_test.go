package integration

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/simulator"
)

var seed = flag.Uint64("seed", 1, "of the events and faults of TestStorm")

// Orders of the storm that are not well, beside those of the good events.
const (
	stormOrders   = 60
	stormRejected = 9001
	stormGivenUp  = 9002
)

// stormEvents are n events of all types: good ones of a few orders each, repeats, the same id with another content, and
// all that cannot be delivered.
func stormEvents(rng *rand.Rand, r *relay, n int) []*ev {
	var all []*ev
	var good []*ev
	add := func(e *ev) {
		e.topic = r.work()
		if e.kind == logistics || e.kind == delivery || rng.IntN(10) == 0 {
			e.topic = r.status()
		}
		all = append(all, e)
	}
	fresh := func() *ev {
		k := kinds[rng.IntN(len(kinds))]
		order := rng.IntN(stormOrders)
		if k == create {
			order = len(all) + stormOrders
		}
		return k.event(order)
	}
	for len(all) < n {
		switch roll := rng.IntN(100); {
		case roll < 2:
			add(raw(event.Record{Key: []byte(fmt.Sprint(rng.IntN(stormOrders))), Value: []byte(`{"half":`)}))
		case roll < 4:
			add(fresh().and(map[string]any{"nonsense": len(all)}))
		case roll < 5:
			e := fresh().header("ce_type", "top.nothing.v1")
			e.kind = nil
			add(e)
		case roll < 6:
			add(fresh().header("ce_expirytime", "2020-01-01T00:00:00Z"))
		case roll < 7:
			add(fresh().by("nobody"))
		case roll < 9:
			add(repeatableKinds[rng.IntN(4)].event(stormRejected))
		case roll < 13 && len(good) > 0:
			e := good[rng.IntN(len(good))]
			again := e.again()
			add(again)
			again.topic = e.topic // a repeat lies behind its first one
		case roll < 14 && len(good) > 0:
			e := good[rng.IntN(len(good))]
			other := e.kind.event(0)
			text := other.mark
			other.key, other.record.Key, other.record.Value = e.key, e.record.Key, e.record.Value
			other.named(e.id)
			member := map[*kind]string{logistics: "comment", delivery: "mail_no", workSync: "extension", issue: "description", create: "memo"}[e.kind]
			headers := other.record.Headers
			other.and(map[string]any{member: text}).record.Headers = headers
			add(other)
			other.topic = e.topic
		default:
			e := fresh()
			add(e)
			good = append(good, e)
		}
	}
	return all
}

// stormFaults are what the gateway does at times, each as often as the seed says.
func stormFaults(rng *rand.Rand) []simulator.Fault {
	every := func(a simulator.Action) simulator.Fault {
		return simulator.Fault{Match: simulator.Match{Every: 30 + rng.IntN(60), Nth: 1 + rng.IntN(30)}, Action: a}
	}
	faults := []simulator.Fault{
		{Match: simulator.Match{Method: logistics.method, Nth: 100 + rng.IntN(100)}, Action: simulator.Action{BanSeconds: 1}},
		{Match: simulator.Match{Every: 3}, Action: simulator.Action{Delay: time.Duration(1+rng.IntN(20)) * time.Millisecond}},
	}
	for _, k := range repeatableKinds {
		faults = append(faults,
			simulator.Fault{Match: simulator.Match{Key: k.key(stormRejected)}, Action: simulator.Action{Business: k.refusal("closed")}})
	}
	faults = append(faults, simulator.Fault{Match: simulator.Match{Key: logistics.key(stormGivenUp)}, Action: simulator.Action{Status: 500}})
	for _, a := range []simulator.Action{
		{Status: 502}, {Status: 504}, {Cut: simulator.CutBefore}, {Cut: simulator.CutAfter}, {Garbage: simulator.GarbageHTML},
		{Garbage: simulator.GarbageEmpty}, {Garbage: simulator.GarbageTruncated}, {Code: 10}, {Code: 15, SubCode: "isp.service-unavailable"},
	} {
		faults = append(faults, every(a))
	}
	return faults
}

// TestStorm: thousands of events of all types on six partitions, with faults at random, and one oracle over all of it.
func TestStorm(t *testing.T) {
	t.Parallel()
	t.Logf("-seed=%d", *seed)
	rng := rand.New(rand.NewPCG(*seed, 0))
	const events, part = 3000, 250
	r := newRelay(t, setup{partitions: 3})
	r.configure("breaker.open_for=50ms", "retry.max_attempts=6", "retry.give_up_after=0s", "consumer.max_unsettled=2000")
	r.gateway.faults(stormFaults(rng)...)
	all := stormEvents(rng, r, events)
	r.sampleCommits()
	r.start()
	r.publish(logistics.events(stormGivenUp, 2)...)
	for len(all) > 0 {
		r.publish(all[:min(part, len(all))]...)
		all = all[min(part, len(all)):]
	}
	settled := 0
	for givenUp := 0; settled < len(r.published); settled++ {
		s := r.await(1)[0]
		if s.Key == logistics.key(stormGivenUp) {
			givenUp++
		}
		if settled == len(r.published)-3 && givenUp < 2 {
			r.publish(logistics.event(stormOrders)) // a witness for what is to be given up
		}
	}
	r.settleAll()
	r.stop()
	counts := tally(r.audit(claims{}))
	t.Logf("%v, %d calls", counts, len(r.gateway.log()))
	for _, name := range []string{
		"logistics delivered", "delivery delivered", "sync delivered", "issue delivered", "create delivered",
		"logistics duplicate", "logistics rejected", "logistics retries_exhausted", "create outcome_unknown",
		"other malformed_event", "logistics invalid_data", "other unknown_type", "logistics expired", "logistics unknown_account",
		"logistics idempotency_conflict",
	} {
		if counts[name] == 0 {
			t.Errorf("no event is %s: the storm shows less than it should", name)
		}
	}
	if retries := r.sum("retries_total", "method="); retries == 0 {
		t.Error("no call was repeated: the storm shows nothing")
	}
	if bans := r.sum("requests_total", `result="throttled"`); bans == 0 {
		t.Error("no call met a ban: the storm shows less than it should")
	}
}
