package consumer

import (
	"errors"
	"testing"
	"time"
)

// A worker that lost its partition may not commit: the failure is counted, said, and changes nothing.
func TestStaleCommitFails(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		g.set(func(g *fakeGeneration) { g.commitErr = func() error { return errors.New("illegal generation") } })
		r.produce(status("e-1", 1))
		r.pass(90 * time.Second)
		r.want("committed", r.kafka.at(part(0)), 0)
		if n := len(r.logs.with(t, "committing offsets fails; they are committed with the next ones")); n != 2 {
			t.Errorf("said %d times in 90 s", n)
		}
		if n := r.series()["toprelay_commit_errors_total"]; n < 100 {
			t.Errorf("%v commit errors in 90 s", n)
		}
		g.set(func(g *fakeGeneration) { g.commitErr = nil })
		r.pass(commitInterval)
		r.want("committed", r.kafka.at(part(0)), 1)
		if len(r.logs.with(t, "committing offsets works again")) != 1 {
			t.Error("its end was not said")
		}
	})
}

// All partitions are committed in one request, only what moved, and past gaps and markers, so that a drained topic has no
// lag.
func TestCommitsWhatMoved(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(1), part(2))
		r.kafka.append(part(0), status("e-1", 1))
		r.kafka.gap(part(0), 3)
		r.kafka.append(part(1), status("e-2", 2))
		r.start()
		r.pass(time.Second)
		r.want("commits", g.committed(), []map[TopicPartition]int64{{part(0): 4, part(1): 1}})
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 0)
		r.metric(`toprelay_skipped_offsets_total{cause="transaction",topic="orders"}`, 3)
		r.pass(10 * time.Second)
		r.want("commits while nothing moves", len(g.committed()), 1)
		r.kafka.gap(part(2), 5)
		r.pass(time.Second)
		r.want("commits of markers alone", g.committed()[1:], []map[TopicPartition]int64{{part(2): 5}})
	})
}
