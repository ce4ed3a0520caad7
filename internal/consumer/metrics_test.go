package consumer

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// Every label value that is known stands at zero before anything happens, so that a rate works from the first event on.
func TestMetricsAtZero(t *testing.T) {
	in(t, nil, func(r *rig) {
		var want []string
		types := []string{other}
		for _, typ := range catalogue.Types() {
			types = append(types, typ.Name)
			want = append(want,
				fmt.Sprintf(`toprelay_fields_dropped_total{type="%s"}`, typ.Name),
				fmt.Sprintf(`toprelay_retries_total{method="%s"}`, typ.Method),
				fmt.Sprintf(`toprelay_request_duration_seconds_count{method="%s"}`, typ.Method))
			for _, result := range strings.Split("ok|transient|throttled|session|misconfigured|rejected|ambiguous", "|") {
				want = append(want, fmt.Sprintf(`toprelay_requests_total{method="%s",result="%s"}`, typ.Method, result))
			}
		}
		for _, typ := range types {
			for _, outcome := range []string{"delivered", "duplicate", "skipped", "dead_lettered"} {
				want = append(want, fmt.Sprintf(`toprelay_events_settled_total{outcome="%s",type="%s"}`, outcome, typ))
			}
			for _, reason := range event.Reasons() {
				want = append(want, fmt.Sprintf(`toprelay_dead_letters_total{reason="%s",type="%s"}`, reason, typ))
			}
		}
		for _, reason := range append(retry.Reasons(), "retry", "busy", "ledger", "dead_letter", "result") {
			want = append(want, fmt.Sprintf(`toprelay_keys_waiting{reason="%s"}`, reason))
		}
		want = append(want, `toprelay_events_consumed_total{topic="orders"}`, `toprelay_key_mismatch_total{topic="orders"}`,
			`toprelay_skipped_offsets_total{cause="transaction",topic="orders"}`, `toprelay_event_age_seconds_count`,
			`toprelay_rebalances_total`, `toprelay_commit_errors_total`)
		for _, series := range want {
			r.metric(series, 0)
		}
	})
}

func TestMetricsAreLinted(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.produce(status("e-1", 1))
		problems, err := testutil.GatherAndLint(r.registry)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	})
}

// One event of each fate, and the exposition that they leave.
func TestExposition(t *testing.T) {
	started(t, func(s *setup) {
		s.options.UnknownFields = map[string]schemas.UnknownFields{statusType: schemas.UnknownDrop}
	}, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			switch c.id {
			case "rejected":
				return refused()
			case "retried":
				if c.n == 1 {
					return unreachable()
				}
			case "waits":
				return unreachable()
			}
			return accepted()
		})
		r.caller.lasting(func(fakeCall) time.Duration { return 20 * time.Millisecond })
		r.produce(status("delivered", 1), status("delivered", 1), status("rejected", 2), status("retried", 3),
			status("other key", 4, func(e *event.Record) { e.Key = []byte("5") }),
			status("unknown field", 6, value(`{"logistics_order_id":6,"status_code":"create","a":1,"b":2}`)),
			status("unknown type", 7, without("ce_type"), header("ce_type", "top.nobody.v1")))
		r.pass(10 * time.Second)
		r.produce(status("waits", 8, header("ce_time", "1999-12-31T23:59:10Z")))
		r.pass(time.Second / 2)
		compare(t, r, `
# HELP toprelay_dead_letters_total Events written to the dead-letter topic, by reason.
# TYPE toprelay_dead_letters_total counter
toprelay_dead_letters_total{reason="rejected",type="top.logisticsorder.status.v1"} 1
toprelay_dead_letters_total{reason="unknown_type",type="other"} 1
# HELP toprelay_events_consumed_total Records read from the consumed topics; those that were not settled before a rebalance are read again.
# TYPE toprelay_events_consumed_total counter
toprelay_events_consumed_total{topic="orders"} 8
# HELP toprelay_events_settled_total Events settled, by outcome.
# TYPE toprelay_events_settled_total counter
toprelay_events_settled_total{outcome="dead_lettered",type="other"} 1
toprelay_events_settled_total{outcome="dead_lettered",type="top.logisticsorder.status.v1"} 1
toprelay_events_settled_total{outcome="delivered",type="top.logisticsorder.status.v1"} 4
toprelay_events_settled_total{outcome="duplicate",type="top.logisticsorder.status.v1"} 1
# HELP toprelay_fields_dropped_total Unknown fields that were dropped because the type is configured so.
# TYPE toprelay_fields_dropped_total counter
toprelay_fields_dropped_total{type="top.logisticsorder.status.v1"} 2
# HELP toprelay_key_mismatch_total Records whose key is another than the event's ordering key.
# TYPE toprelay_key_mismatch_total counter
toprelay_key_mismatch_total{topic="orders"} 1
# HELP toprelay_keys_waiting Keys whose next event waits, by what for.
# TYPE toprelay_keys_waiting gauge
toprelay_keys_waiting{reason="retry"} 1
# HELP toprelay_oldest_unsettled_age_seconds Age of the oldest unsettled event of a partition; 0 where all are settled.
# TYPE toprelay_oldest_unsettled_age_seconds gauge
toprelay_oldest_unsettled_age_seconds{partition="0",topic="orders"} 60.5
# HELP toprelay_partition_lag_records End offset minus watermark of a partition.
# TYPE toprelay_partition_lag_records gauge
toprelay_partition_lag_records{partition="0",topic="orders"} 1
# HELP toprelay_requests_total Calls to the platform, by what the reply meant.
# TYPE toprelay_requests_total counter
toprelay_requests_total{method="tmall.servicecenter.workcard.logisticsorder.update",result="ok"} 4
toprelay_requests_total{method="tmall.servicecenter.workcard.logisticsorder.update",result="rejected"} 1
toprelay_requests_total{method="tmall.servicecenter.workcard.logisticsorder.update",result="transient"} 2
# HELP toprelay_retries_total Calls beyond an event's first.
# TYPE toprelay_retries_total counter
toprelay_retries_total{method="tmall.servicecenter.workcard.logisticsorder.update"} 1
`)
		r.metric(`toprelay_event_age_seconds_count`, 7)
		r.metric(`toprelay_request_duration_seconds_count{method="`+statusMethod+`"}`, 7)
	})
}

// compare compares the exposition of the families that want names, without the series at zero.
func compare(t *testing.T, r *rig, want string) {
	t.Helper()
	named := map[string]bool{}
	for line := range strings.Lines(want) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "TYPE" {
			named[f[2]] = true
		}
	}
	var got strings.Builder
	for line := range strings.Lines(r.exposition()) {
		f := strings.Fields(line)
		name := f[0]
		if name == "#" {
			name = f[2]
		}
		name, _, _ = strings.Cut(name, "{")
		if named[name] && !strings.HasSuffix(line, " 0\n") {
			got.WriteString(line)
		}
	}
	if got.String() != strings.TrimPrefix(want, "\n") {
		t.Errorf("exposition:\n%s\nwant:%s", got.String(), want)
	}
}

// At every moment: what was consumed is settled or in flight, and what is in flight is what the windows hold.
func TestBalance(t *testing.T) {
	in(t, func(s *setup) { s.options.MaxUnsettled = 50 }, func(r *rig) {
		g := r.kafka.assign(part(0), part(1))
		g.batch = 9
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.n == 1 && len(c.id)%3 == 0 {
				return unreachable()
			}
			return accepted()
		})
		r.caller.lasting(func(c fakeCall) time.Duration { return time.Duration(len(c.id)) * 70 * time.Millisecond })
		for i := range 400 {
			r.kafka.append(part(i%2), status(strings.Repeat("x", 1+i%9)+fmt.Sprint(i), i%60))
		}
		r.start()
		for range 200 {
			r.pass(97 * time.Millisecond)
			series := r.series()
			settled, unsettled := 0.0, 0
			for name, v := range series {
				if strings.HasPrefix(name, "toprelay_events_settled_total{") {
					settled += v
				}
			}
			r.worker.schedule.mu.Lock()
			for _, p := range r.worker.parts {
				unsettled += p.window.unsettled()
			}
			counted := r.worker.Bounds().Unsettled
			r.worker.schedule.mu.Unlock()
			if consumed := series[`toprelay_events_consumed_total{topic="orders"}`]; consumed != settled+float64(unsettled) {
				t.Fatalf("%v consumed, %v settled and %d in flight", consumed, settled, unsettled)
			}
			if counted != unsettled {
				t.Fatalf("the bounds count %d events, the windows %d", counted, unsettled)
			}
		}
		r.pass(time.Minute)
		r.want("settled", len(r.results.list()), 400)
	})
}

// Replays are not observed in the age; an event from the future has none.
func TestAge(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.produce(status("replay", 1, header("ce_time", "1999-01-01T00:00:00Z"), header("toprelay-replay-of", "x")))
		r.metric(`toprelay_event_age_seconds_count`, 0)
		r.produce(status("future", 2, header("ce_time", "2030-01-01T00:00:00Z")))
		r.metric(`toprelay_event_age_seconds_count`, 1)
		r.metric(`toprelay_event_age_seconds_sum`, 0)
		r.produce(status("old", 3, header("ce_time", "1999-12-31T23:00:00Z")))
		r.metric(`toprelay_event_age_seconds_sum`, 3600)
	})
}

// Series of a partition come with it and go when it is revoked; a reason that was waited for once goes back to zero.
func TestSeriesOfPartitions(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(3))
		r.start()
		count := func() int {
			n := 0
			for name := range r.series() {
				if strings.Contains(name, `partition="`) {
					n++
				}
			}
			return n
		}
		r.want("series of two partitions", count(), 2*(2+len(StallCauses())))
		g.rebalance()
		synctest.Wait()
		r.want("series after the rebalance", count(), 0)
		r.kafka.assign(part(1))
		synctest.Wait()
		r.want("series of one partition", count(), 2+len(StallCauses()))
		r.metric(`toprelay_rebalances_total`, 1)
	})
}

// A call that was interrupted says nothing about the platform.
func TestCancelledCallsAreNotCounted(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.lasting(func(fakeCall) time.Duration { return time.Hour })
		r.produce(status("e-1", 1))
		g.rebalance()
		r.pass(time.Minute)
		for name, v := range r.series() {
			if strings.HasPrefix(name, "toprelay_requests_total") && v != 0 {
				t.Errorf("%s = %v", name, v)
			}
		}
	})
}
