package consumer

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
)

// A bound that is reached stops the fetch and nothing else: the partition says which, everything inside goes on, and the
// fetch resumes by itself. It never makes a dead letter.
func TestBounds(t *testing.T) {
	size := func(n int) int { // of n events as they are counted
		r := status("e-100", 100)
		return n * (r.Size() + itemOverhead)
	}
	tests := []struct {
		cause   string
		change  func(s *setup)
		batch   int
		fetched int // of 100, while the first one's key waits
	}{
		{StallCount, func(s *setup) { s.options.MaxUnsettled = 10 }, 1000, 10},
		{StallBytes, func(s *setup) { s.options.MaxBufferedBytes = size(20) - 1 }, 5, 20},
		{StallSpan, func(s *setup) { s.options.MaxSpan = 30 }, 1000, 30},
		{StallShare, func(s *setup) { s.options.MaxUnsettled = 80 }, 1000, 40},
	}
	for _, tt := range tests {
		t.Run(tt.cause, func(t *testing.T) {
			in(t, func(s *setup) { s.accounts["third"] = account("third"); tt.change(s) }, func(r *rig) {
				g := r.kafka.assign(part(0), part(1))
				g.batch = tt.batch
				r.caller.answer(func(c fakeCall) top.Reply { return banned(time.Minute) })
				for i := range 100 {
					record := status(fmt.Sprintf("e-%d", 100+i), 100+i)
					if tt.cause == StallCount { // a third each, so that no share is reached before
						switch i % 3 {
						case 1:
							record = create(fmt.Sprintf("e-%d", 100+i), ofAccount("other"))
						case 2:
							record = parcel(fmt.Sprintf("e-%d", 100+i), 100+i, ofAccount("third"))
						}
					}
					r.kafka.append(part(0), record)
				}
				r.start()
				r.pass(time.Second)
				consumed := r.series()[`toprelay_events_consumed_total{topic="orders"}`]
				r.want("fetched", consumed, tt.fetched)
				for _, cause := range StallCauses() {
					want := 0.0
					if cause == tt.cause {
						want = 1
					}
					r.metric(`toprelay_partition_stalled{cause="`+cause+`",partition="0",topic="orders"}`, want)
				}
				if strings.Contains(r.logs.String(), "a bound stops") {
					t.Error("a bound that was reached a second ago is only load, and was said")
				}
				r.pass(30 * time.Second)
				said := r.logs.with(t, "a bound stops the fetch of a partition")
				if len(said) == 0 || said[0]["cause"] != tt.cause || said[0]["held_by"] != statusType {
					t.Errorf("said %v", said)
				}
				r.caller.answer(nil)
				r.pass(3 * time.Minute)
				r.want("settled", len(r.results.list()), 100)
				r.want("letters", r.letters.reasons(), []string{})
				r.metric(`toprelay_partition_stalled{cause="`+tt.cause+`",partition="0",topic="orders"}`, 0)
				if len(r.logs.with(t, "a partition is fetched again")) == 0 {
					t.Error("its end was not said")
				}
				b := r.worker.bounds
				if b.bytes != 0 || b.count != 0 || len(b.accounts) != 0 || len(b.methods) != 0 {
					t.Errorf("after all was settled the bounds count %d bytes, %d events, %v and %v", b.bytes, b.count, b.accounts, b.methods)
				}
			})
		})
	}
}

// A share is of one account over all methods, or of one method over all accounts; it stops the partitions that hold events
// of it, and no others.
func TestShares(t *testing.T) {
	tests := []struct {
		name    string
		held    []event.Record // by partition 0; 4 are half of the places
		own     event.Record   // by partition 1
		stalled [2]string      // the causes of both
	}{
		{"below half", []event.Record{status("1", 1), status("2", 2)}, status("3", 3), [2]string{"", ""}},
		{"of an account", []event.Record{status("1", 1), create("2"), parcel("3", 3)}, status("4", 4), [2]string{StallShare, StallShare}},
		{"of an account that the other partition does not hold", []event.Record{status("1", 1), create("2"), parcel("3", 3), create("4")},
			parcel("5", 5, ofAccount("other")), [2]string{StallShare, ""}},
		{"of a method", []event.Record{status("1", 1), status("2", 2, ofAccount("other")), status("3", 3, ofAccount("third"))},
			status("4", 4, ofAccount("fourth")), [2]string{StallShare, StallShare}},
		{"of a method that the other partition does not hold", []event.Record{status("1", 1), status("2", 2, ofAccount("other")),
			status("3", 3, ofAccount("third")), status("4", 4, ofAccount("fourth"))}, create("5", ofAccount("fifth")), [2]string{StallShare, ""}},
		{"what cannot be read has none", []event.Record{status("1", 1, value("{")), status("2", 2, value("{")), status("3", 3, value("{"))},
			status("4", 4, value("{")), [2]string{"", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(s *setup) {
				for _, name := range []string{"third", "fourth", "fifth"} {
					s.accounts[name] = account(name)
				}
			}, func(r *rig) {
				b := newBounds(1<<30, 8, 1<<30)
				first, second := newPartition(Assignment{TopicPartition: part(0)}), newPartition(Assignment{TopicPartition: part(1)})
				var items []*item
				for _, record := range tt.held {
					items = append(items, r.worker.decode(first, record, time.Now()))
				}
				items = append(items, r.worker.decode(second, tt.own, time.Now()))
				for _, it := range items {
					b.take(it)
				}
				r.want("causes", [2]string{b.cause(first, false, 0), b.cause(second, false, 0)}, tt.stalled)
				for _, it := range items {
					b.give(it)
				}
				r.want("causes when all are settled", [2]string{b.cause(first, false, 0), b.cause(second, false, 0)}, [2]string{"", ""})
			})
		})
	}
}

// Half of the places is the most that one account may hold: a partition without events of it flows on.
func TestShareLeavesRoomForOthers(t *testing.T) {
	in(t, func(s *setup) { s.options.MaxUnsettled = 40 }, func(r *rig) {
		r.kafka.assign(part(0), part(1))
		r.start()
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.account == "default" {
				return sessionGone()
			}
			return accepted()
		})
		for i := range 100 {
			r.kafka.append(part(0), status(fmt.Sprintf("stuck-%d", i), i))
			r.kafka.append(part(1), status(fmt.Sprintf("free-%d", i), 1000+i, ofAccount("other")))
		}
		r.pass(time.Minute)
		r.want("settled", len(r.results.list()), 100)
		r.metric(`toprelay_partition_stalled{cause="share",partition="0",topic="orders"}`, 1)
		r.metric(`toprelay_partition_stalled{cause="share",partition="1",topic="orders"}`, 0)
		r.want("letters", r.letters.reasons(), []string{})
		r.caller.answer(nil)
		r.gate.SecretChanged("default")
		r.pass(time.Minute)
		r.want("settled", len(r.results.list()), 200)
	})
}

// One key that waits stops the fetch only when its span is full: what is settled behind it costs no place.
func TestSettledCostsNoPlace(t *testing.T) {
	started(t, func(s *setup) { s.options.MaxUnsettled = 20 }, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "stuck" {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("stuck", 0))
		for i := range 500 {
			r.kafka.append(part(0), status(fmt.Sprintf("e-%d", i), 1+i))
		}
		r.pass(time.Second)
		r.want("settled", len(r.results.list()), 500)
		r.want("committed", r.kafka.at(part(0)), 0)
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 501)
	})
}

// A generation that ends while its fetch stands at a bound is released at once.
func TestBoundDoesNotHoldARebalance(t *testing.T) {
	in(t, func(s *setup) { s.options.MaxUnsettled = 4 }, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.answer(func(fakeCall) top.Reply { return unreachable() })
		for i := range 10 {
			r.kafka.append(part(0), status(fmt.Sprintf("e-%d", i), i))
		}
		r.pass(30 * time.Second)
		r.metric(`toprelay_partition_stalled{cause="share",partition="0",topic="orders"}`, 1)
		g.rebalance()
		synctest.Wait()
		if !g.isReleased() {
			t.Error("the bound holds the generation")
		}
		if strings.Contains(r.logs.String(), "is fetched again") {
			t.Error("a lost partition is said to be fetched again")
		}
		if b := r.worker.bounds; b.count != 0 || b.bytes != 0 {
			t.Errorf("the bounds still count %d events of the lost partition", b.count)
		}
		for series := range r.series() {
			if strings.Contains(series, "partition=") {
				t.Errorf("series of a revoked partition: %s", series)
			}
		}
	})
}

// While a bound holds a partition its lag goes on being true, although nothing is fetched: that is when it is looked at.
func TestLagIsTrueAtABound(t *testing.T) {
	started(t, func(s *setup) { s.options.MaxUnsettled = 4 }, func(r *rig) {
		r.caller.answer(func(fakeCall) top.Reply { return sessionGone() })
		var first []event.Record
		for i := range 50 {
			first = append(first, status(fmt.Sprintf("e-%d", i), i))
		}
		r.produce(first...)
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 50)
		for i := range 30 {
			r.kafka.append(part(0), status(fmt.Sprintf("more-%d", i), i))
		}
		r.pass(2 * sayStalled)
		r.metric(`toprelay_partition_lag_records{partition="0",topic="orders"}`, 80)
		r.metric(`toprelay_events_consumed_total{topic="orders"}`, 2)
		r.caller.answer(nil)
		r.gate.SecretChanged("default")
		r.pass(time.Minute)
		r.want("settled", len(r.results.list()), 80)
	})
}

// What is fetched counts before it is in a lane, so that another partition does not fetch as much again; and what an event
// leaves behind in its batch is cleared, so that its memory goes with it.
func TestFetchedCounts(t *testing.T) {
	size := func(n int) int {
		r := status("e-100", 100)
		return n * (r.Size() + itemOverhead)
	}
	in(t, func(s *setup) { s.options.MaxUnsettled, s.options.MaxBufferedBytes = 20, size(90) }, func(r *rig) {
		g := r.kafka.assign(part(0), part(1))
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.account == "default" {
				return sessionGone()
			}
			return accepted()
		})
		for i := range 100 { // in one batch
			r.kafka.append(part(0), status(fmt.Sprintf("e-%d", 100+i), 100+i))
		}
		r.start()
		r.pass(time.Second)                                                                 // the fetch of the empty partition is over
		r.want("fetched", r.series()[`toprelay_events_consumed_total{topic="orders"}`], 10) // the account's share
		r.want("bytes", r.worker.Bounds().BufferedBytes, size(100))
		g.set(func(g *fakeGeneration) {
			for i, record := range g.handed[part(0)] {
				if (record.Value == nil) != (i < 10) {
					t.Errorf("record %d of the batch: %d bytes", i, len(record.Value))
				}
			}
		})
		r.kafka.append(part(1), status("other", 1, ofAccount("other")))
		r.pass(time.Minute)
		r.metric(`toprelay_partition_stalled{cause="buffered_bytes",partition="1",topic="orders"}`, 1)
		r.metric(`toprelay_partition_stalled{cause="share",partition="0",topic="orders"}`, 1)
		r.want("settled", r.results.outcomes(), []string{})
		r.caller.answer(nil)
		r.gate.SecretChanged("default")
		r.pass(time.Minute)
		r.want("settled", len(r.results.list()), 101)
		r.want("bytes", r.worker.Bounds().BufferedBytes, 0)
	})
}

// A fetch that is under way counts as much as the one before brought, and the first one a part of the bound, so that many
// partitions do not fill the memory many times over at once.
func TestFetchUnderWayCounts(t *testing.T) {
	in(t, func(s *setup) { s.options.MaxBufferedBytes = 1 << 20 }, func(r *rig) {
		var parts []TopicPartition
		for n := range 100 {
			parts = append(parts, part(n))
		}
		g := r.kafka.assign(parts...)
		r.start()
		under := 0
		for _, tp := range parts {
			under += g.fetched(tp)
		}
		r.want("fetches at once", under, 100) // idle partitions stop nobody
		r.want("bytes", r.worker.Bounds().BufferedBytes, 100*(1<<20/200))
		r.pass(2 * time.Second)
		r.want("bytes when the first fetches brought nothing", r.worker.Bounds().BufferedBytes, 0)
		record := status("e-1", 1)
		r.produce(record)
		r.want("settled", len(r.results.list()), 1)
		r.want("bytes of the next fetch", r.worker.Bounds().BufferedBytes, record.Size()+itemOverhead)
		g.rebalance()
		synctest.Wait()
		r.want("bytes of a generation that is over", r.worker.Bounds().BufferedBytes, 0)
	})
}
