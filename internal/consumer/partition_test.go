package consumer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Fetching fails for a while in one partition: it is tried again, and the other one flows. It is said once a minute although
// the other one's fetches succeed all the time.
func TestFetchIsRetried(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(1))
		g.fetchErr = func(tp TopicPartition, _ int64) error {
			if tp == part(0) {
				return errors.New("not leader")
			}
			return nil
		}
		r.start()
		r.produce(status("stuck", 1))
		for i := range 90 {
			r.kafka.append(part(1), status(fmt.Sprintf("e-%d", i), 2))
			r.pass(time.Second)
		}
		r.want("settled", len(r.results.list()), 90)
		if n := len(r.logs.with(t, "fetching from Kafka fails")); n != 2 {
			t.Errorf("said %d times in 90 s", n)
		}
		if n := len(r.logs.with(t, "fetching from Kafka works again")); n != 0 {
			t.Errorf("said %d times that it works again", n)
		}
		if n := g.fetched(part(0)); n > 190 {
			t.Errorf("%d fetches in 90 s", n)
		}
		g.set(func(g *fakeGeneration) { g.fetchErr = nil })
		r.pass(time.Second)
		r.want("settled", len(r.results.list()), 91)
		if n := len(r.logs.with(t, "fetching from Kafka works again")); n != 1 {
			t.Errorf("said %d times that it works again", n)
		}
	})
}

// A position outside the log stops its partition until it is lost: nothing is skipped, nothing is committed, the others flow,
// and the lag shows what waits.
func TestLostPosition(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(1))
		end := int64(-1) // the broker does not say at first
		g.fetchErr = func(tp TopicPartition, offset int64) error {
			if tp == part(0) {
				return fmt.Errorf("fetch: %w", &RangeError{TopicPartition: tp, Offset: offset, LogStart: 20, End: end})
			}
			return nil
		}
		r.start()
		r.kafka.append(part(1), status("e-1", 1))
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 0)
		g.set(func(*fakeGeneration) { end = 50 })
		r.pass(sayStalled)
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 50)
		g.set(func(*fakeGeneration) { end = 70 })
		r.pass(time.Hour)
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 70)
		if n := g.fetched(part(0)); n > 362 {
			t.Errorf("%d fetches in an hour", n)
		}
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		r.metric(`toprelay_partition_stalled{cause="offset_out_of_range",partition="0",topic="orders"}`, 1)
		r.metric(`toprelay_partition_stalled{cause="offset_out_of_range",partition="1",topic="orders"}`, 0)
		if n := strings.Count(r.logs.String(), `"level":"ERROR"`); n != 1 {
			t.Errorf("said %d times", n)
		}
		g.rebalance()
		synctest.Wait()
		if !g.isReleased() {
			t.Error("the stopped partition keeps the generation")
		}
		for _, c := range g.committed() {
			if _, ok := c[part(0)]; ok {
				t.Errorf("the lost position was committed: %v", c)
			}
		}
		for series := range r.series() {
			if strings.Contains(series, "partition=") {
				t.Errorf("series of a revoked partition: %s", series)
			}
		}
	})
}

// A position that is lost on the way: what was delivered before it is committed, once.
func TestPositionLostOnTheWay(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		g.fetchErr = func(tp TopicPartition, offset int64) error {
			if offset > 0 {
				return &RangeError{TopicPartition: tp, Offset: offset, LogStart: 20, End: 50}
			}
			return nil
		}
		r.kafka.append(part(0), status("e-1", 1), status("e-2", 2))
		r.start()
		r.pass(time.Second)
		g.rebalance()
		synctest.Wait()
		r.want("commits", g.committed(), []map[TopicPartition]int64{{part(0): 2}})
	})
}

// While a call from before a lost position ends, the partition goes on renewing the member's session, as any other does.
func TestLostPositionRenewsTheSession(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.caller.lasting(func(fakeCall) time.Duration { return 2500 * time.Millisecond })
		g := r.kafka.assign(part(0))
		g.fetchErr = func(tp TopicPartition, offset int64) error {
			if offset > 0 {
				return &RangeError{TopicPartition: tp, Offset: offset, LogStart: 20, End: 50}
			}
			return nil
		}
		r.kafka.append(part(0), status("e-1", 1))
		r.start()
		g.rebalance()
		r.pass(10 * time.Second)
		r.want("commits", g.committed(), []map[TopicPartition]int64{{part(0): 0}, {part(0): 0}, {part(0): 1}})
	})
}
