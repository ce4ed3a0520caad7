package consumer

import (
	"fmt"
	"testing"
	"time"
)

// The straight way: claim, call, ledger, result, settled, committed.
func TestDelivers(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.produce(status("e-1", 1))
		r.want("steps", r.trace.take(), "claim, call, delivered, result delivered, settled")
		r.pass(commitInterval)
		r.want("committed", r.kafka.at(part(0)), 1)
		if res := r.results.list()[0]; res.EventID != "e-1" || res.EventSource != source || res.EventType != statusType ||
			res.Account != "default" || res.Key != "1" || res.Method != statusMethod || res.Attempts != 1 || res.RequestID != "req" {
			t.Errorf("result %+v", res)
		}
		if s := r.observer.settled[0]; s.Outcome != Delivered || s.Key != "1" || s.Attempts != 1 {
			t.Errorf("observed %+v", s)
		}
	})
}

// Many keys, several partitions, small fetches: each event once, in order of its key, and everything committed.
func TestDeliversAll(t *testing.T) {
	in(t, func(s *setup) { s.options.Concurrency = 16 }, func(r *rig) {
		g := r.kafka.assign(part(0), part(1), part(2))
		g.batch = 7
		r.caller.lasting(func(c fakeCall) time.Duration { return time.Duration(len(c.key)*c.n) * 10 * time.Millisecond })
		for i := range 300 {
			key := i % 40
			r.kafka.append(part(key%3), status(fmt.Sprintf("e-%d", i), 10_000+key*key))
		}
		r.start()
		r.pass(time.Minute)
		r.want("calls", len(r.caller.all()), 300)
		for p := range 3 {
			if got, want := r.kafka.at(part(p)), r.kafka.logs[part(p)].next; got != want {
				t.Errorf("partition %d is committed at %d, want %d", p, got, want)
			}
		}
	})
}
