package consumer

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
)

// worlds is how many random worlds TestRandomWorlds lives through.
const worlds = 20

// In any world: no event is lost, none is accepted twice or accepted and given up, the events of a key are accepted in their
// order, nothing is committed past what is not settled, and when the world is well again everything is settled and
// committed. In every third world writes of the ledger are lost as well: then only what must not be repeated is not. A seed
// names a world; its calls' replies depend on nothing else.
func TestRandomWorlds(t *testing.T) {
	for seed := range uint64(worlds) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			in(t, func(s *setup) { s.repeats, s.options.MaxUnsettled = true, 60 }, func(r *rig) { r.live(seed) })
		})
	}
}

// chance is a number from 0 to 99 that depends on the seed and the text alone.
func chance(seed uint64, format string, args ...any) int {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d ", seed)
	fmt.Fprintf(h, format, args...)
	return int(h.Sum64() >> 8 % 100)
}

// behind is how many offsets are not committed.
func (r *rig) behind() (n int64) {
	for p := range 3 {
		n += r.kafka.logs[part(p)].next - r.kafka.at(part(p))
	}
	return n
}

func (r *rig) live(seed uint64) {
	const events = 150
	storeFails := seed%3 == 0
	dice := rand.New(rand.NewPCG(seed, 1))
	ids := map[string]event.Record{}
	for i := range events {
		id, key := fmt.Sprintf("e-%d", i), dice.IntN(20)
		record := status(id, key)
		switch dice.IntN(10) {
		case 0:
			record = create(id)
		case 1:
			record = parcel(id, key)
		case 2:
			record = status(id, key, value("{"))
		}
		if dice.IntN(3) == 0 {
			ofAccount("other")(&record)
		}
		ids[id] = record
		r.kafka.append(part(key%3), record)
		if dice.IntN(8) == 0 {
			r.kafka.gap(part(key%3), int64(dice.IntN(4)))
		}
	}
	r.caller.lasting(func(c fakeCall) time.Duration {
		return time.Duration(chance(seed, "takes %s %d", c.id, c.n)) * 70 * time.Millisecond
	})
	r.caller.answer(func(c fakeCall) top.Reply {
		switch n := chance(seed, "reply %s %d", c.id, c.n); {
		case n < 6:
			return unreachable()
		case n < 12 && c.method != createMethod:
			return broken()
		case n < 14:
			return refused()
		case n < 18:
			return banned(time.Duration(1+n%4) * time.Second)
		case n < 19:
			return sessionDead()
		case n < 20 && c.method == createMethod:
			return ambiguous()
		}
		return accepted()
	})

	g := r.kafka.assign(part(0), part(1), part(2))
	r.start()
	for stage := range 20 {
		ops := 0
		r.ledger.failing(func(string) error {
			ops++
			if storeFails && stage%5 == 1 && chance(seed, "ledger %d %d", stage, ops) < 40 {
				return errAway
			}
			return nil
		})
		r.letters.failing(map[bool]error{true: errAway}[dice.IntN(4) == 0])
		r.results.failing(map[bool]error{true: errAway}[dice.IntN(4) == 0])
		fetch, commit := dice.IntN(6) == 0, dice.IntN(6) == 0
		g.set(func(g *fakeGeneration) {
			g.fetchErr = func(TopicPartition, int64) error { return map[bool]error{true: errAway}[fetch] }
			g.commitErr = func() error { return map[bool]error{true: errAway}[commit] }
		})
		r.pass(time.Duration(dice.IntN(4000)) * time.Millisecond)
		if dice.IntN(3) == 0 {
			g.rebalance()
			g = r.kafka.assign([][]TopicPartition{{part(0)}, {part(1), part(2)}, {part(0), part(1), part(2)}}[dice.IntN(3)]...)
		}
	}
	r.ledger.failing(nil)
	r.letters.failing(nil)
	r.results.failing(nil)
	r.caller.answer(nil)
	g.set(func(g *fakeGeneration) { g.fetchErr, g.commitErr = nil, nil })
	r.pass(10 * time.Second)
	g.rebalance()
	r.kafka.assign(part(0), part(1), part(2))
	for minute := 0; minute < 90 && r.behind() > 0; minute++ { // probes come up to ten minutes apart
		r.pass(time.Minute)
	}

	r.want("offsets that are not committed", r.behind(), 0)
	took, given := map[string]int{}, map[string]event.Reason{}
	for _, c := range r.caller.all() {
		if c.reply.Class == top.ClassOK {
			took[c.id]++
		}
		if c.reply.Class == top.ClassOK && took[c.id] > 1 && (c.method == createMethod || !storeFails) {
			r.t.Errorf("%s was accepted %d times", c.id, took[c.id])
		}
	}
	for _, l := range r.letters.list() {
		given[idOf(l.Record)] = l.Reason
		if l.Reason == event.ReasonRetriesExhausted && l.Attempts < r.setup.policy.MaxAttempts {
			r.t.Errorf("%s was given up after %d attempts", idOf(l.Record), l.Attempts)
		}
	}
	for id := range ids {
		switch reason, lettered := given[id]; {
		case took[id] == 0 && !lettered:
			r.t.Errorf("%s is lost", id)
		case took[id] > 0 && lettered && reason != event.ReasonOutcomeUnknown && !storeFails:
			r.t.Errorf("%s was accepted, and given up as %s", id, reason)
		}
	}
	for name, v := range r.series() {
		if v != 0 && (len(name) > 22 && name[:22] == "toprelay_keys_waiting{" || name[:22] == "toprelay_partition_lag") {
			r.t.Errorf("in the end %s = %v", name, v)
		}
	}
}
