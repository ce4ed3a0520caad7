package retry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetricsAtZero(t *testing.T) {
	in(t, Options{Methods: map[string]MethodOptions{"m": {}}, Accounts: map[string]string{"a": "1", "b": "1"}}, func(t *testing.T, w *world) {
		w.exposes(`
# HELP toprelay_breaker_state Breaker of a method: 0 closed, 1 half-open, 2 open.
# TYPE toprelay_breaker_state gauge
toprelay_breaker_state{method="m"} 0
# HELP toprelay_breaker_transitions_total How often the breaker of a method moved to a state.
# TYPE toprelay_breaker_transitions_total counter
toprelay_breaker_transitions_total{method="m",to="closed"} 0
toprelay_breaker_transitions_total{method="m",to="half_open"} 0
toprelay_breaker_transitions_total{method="m",to="open"} 0
# HELP toprelay_calls_in_flight Calls to the platform that have started and not ended.
# TYPE toprelay_calls_in_flight gauge
toprelay_calls_in_flight{method="m"} 0
# HELP toprelay_pause_active 1 while a scope is paused for a reason.
# TYPE toprelay_pause_active gauge
toprelay_pause_active{account="",method="m",reason="misconfigured",scope="method"} 0
toprelay_pause_active{account="",method="m",reason="throttled",scope="method"} 0
toprelay_pause_active{account="a",method="",reason="misconfigured",scope="app_key"} 0
toprelay_pause_active{account="a",method="",reason="session",scope="account"} 0
toprelay_pause_active{account="a",method="",reason="throttled",scope="app_key"} 0
toprelay_pause_active{account="a",method="m",reason="misconfigured",scope="account_method"} 0
toprelay_pause_active{account="a",method="m",reason="misconfigured",scope="app_key_method"} 0
toprelay_pause_active{account="a",method="m",reason="rejection_storm",scope="account_method"} 0
toprelay_pause_active{account="a",method="m",reason="session",scope="account_method"} 0
toprelay_pause_active{account="a",method="m",reason="throttled",scope="app_key_method"} 0
toprelay_pause_active{account="b",method="",reason="session",scope="account"} 0
toprelay_pause_active{account="b",method="m",reason="misconfigured",scope="account_method"} 0
toprelay_pause_active{account="b",method="m",reason="rejection_storm",scope="account_method"} 0
toprelay_pause_active{account="b",method="m",reason="session",scope="account_method"} 0
# HELP toprelay_pause_seconds_total How long a scope has been paused for a reason.
# TYPE toprelay_pause_seconds_total counter
toprelay_pause_seconds_total{account="",method="m",reason="misconfigured",scope="method"} 0
toprelay_pause_seconds_total{account="",method="m",reason="throttled",scope="method"} 0
toprelay_pause_seconds_total{account="a",method="",reason="misconfigured",scope="app_key"} 0
toprelay_pause_seconds_total{account="a",method="",reason="session",scope="account"} 0
toprelay_pause_seconds_total{account="a",method="",reason="throttled",scope="app_key"} 0
toprelay_pause_seconds_total{account="a",method="m",reason="misconfigured",scope="account_method"} 0
toprelay_pause_seconds_total{account="a",method="m",reason="misconfigured",scope="app_key_method"} 0
toprelay_pause_seconds_total{account="a",method="m",reason="rejection_storm",scope="account_method"} 0
toprelay_pause_seconds_total{account="a",method="m",reason="session",scope="account_method"} 0
toprelay_pause_seconds_total{account="a",method="m",reason="throttled",scope="app_key_method"} 0
toprelay_pause_seconds_total{account="b",method="",reason="session",scope="account"} 0
toprelay_pause_seconds_total{account="b",method="m",reason="misconfigured",scope="account_method"} 0
toprelay_pause_seconds_total{account="b",method="m",reason="rejection_storm",scope="account_method"} 0
toprelay_pause_seconds_total{account="b",method="m",reason="session",scope="account_method"} 0
`)
	})
}

// The app key that two accounts share is one place, and a method without a session has no series of one.
func TestPauseOfAPlaceThatWasKnown(t *testing.T) {
	o := Options{Methods: map[string]MethodOptions{"m": {Sessionless: true}}, Accounts: map[string]string{"a": "1", "b": "1"}}
	in(t, o, func(t *testing.T, w *world) {
		before := testutil.CollectAndCount(w.metrics, "toprelay_pause_active")
		w.call(Scope{Account: "b", AppKey: "1", Method: "m"}, "k", throttled(LevelAppKey, time.Minute))
		if after := testutil.CollectAndCount(w.metrics, "toprelay_pause_active"); before != 12 || after != before {
			t.Errorf("%d series before the first pause and %d after it, want 12", before, after)
		}
		want := "# HELP toprelay_ban_ends_timestamp_seconds When the last ban of a scope ends or ended, in Unix time.\n" +
			"# TYPE toprelay_ban_ends_timestamp_seconds gauge\n" +
			`toprelay_ban_ends_timestamp_seconds{account="a",method="",reason="throttled",scope="app_key"} 9.4668486e+08` + "\n"
		if err := testutil.GatherAndCompare(w.registry, strings.NewReader(want), "toprelay_ban_ends_timestamp_seconds"); err != nil {
			t.Error(err)
		}
	})
}

// exposes compares the whole exposition, and lints it.
func (w *world) exposes(text string) {
	w.t.Helper()
	if err := testutil.GatherAndCompare(w.registry, strings.NewReader(text)); err != nil {
		w.t.Fatal(err)
	}
	problems, err := testutil.GatherAndLint(w.registry)
	if err != nil || len(problems) > 0 {
		w.t.Fatalf("lint: %v %v", problems, err)
	}
}

func TestMetricsTellTheStory(t *testing.T) {
	in(t, Options{Methods: map[string]MethodOptions{"m": {Repeatable: true}}}, func(t *testing.T, w *world) {
		s := at("a", "m")
		w.call(s, "k", throttled(LevelAppKeyMethod, 10*time.Second))
		time.Sleep(10 * time.Second)
		w.ok(s, "k") // ends the ramp's first step
		late := w.must(s, "late")
		for i := range 5 {
			w.call(s, fmt.Sprint(i), failed)
		}
		late.Done(Report{Kind: KindSession, Level: LevelAccount, Immediate: true})
		time.Sleep(31 * time.Second)
		w.must(s, "k")
		w.exposes(`
# HELP toprelay_ban_ends_timestamp_seconds When the last ban of a scope ends or ended, in Unix time.
# TYPE toprelay_ban_ends_timestamp_seconds gauge
toprelay_ban_ends_timestamp_seconds{account="a",method="m",reason="throttled",scope="app_key_method"} 9.4668481e+08
# HELP toprelay_breaker_state Breaker of a method: 0 closed, 1 half-open, 2 open.
# TYPE toprelay_breaker_state gauge
toprelay_breaker_state{method="m"} 1
# HELP toprelay_breaker_transitions_total How often the breaker of a method moved to a state.
# TYPE toprelay_breaker_transitions_total counter
toprelay_breaker_transitions_total{method="m",to="closed"} 0
toprelay_breaker_transitions_total{method="m",to="half_open"} 1
toprelay_breaker_transitions_total{method="m",to="open"} 1
# HELP toprelay_calls_in_flight Calls to the platform that have started and not ended.
# TYPE toprelay_calls_in_flight gauge
toprelay_calls_in_flight{method="m"} 1
# HELP toprelay_pause_active 1 while a scope is paused for a reason.
# TYPE toprelay_pause_active gauge
toprelay_pause_active{account="a",method="",reason="session",scope="account"} 1
toprelay_pause_active{account="a",method="m",reason="throttled",scope="app_key_method"} 0
# HELP toprelay_pause_seconds_total How long a scope has been paused for a reason.
# TYPE toprelay_pause_seconds_total counter
toprelay_pause_seconds_total{account="a",method="",reason="session",scope="account"} 31
toprelay_pause_seconds_total{account="a",method="m",reason="throttled",scope="app_key_method"} 10
`)
	})
}

// An account that got another app key while the old one was banned: one series, not a scrape that fails.
func TestTwoPlacesWithTheSameLabels(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		for _, appKey := range []string{"old", "new"} {
			s := Scope{Account: "a", AppKey: appKey, Method: update}
			w.call(s, "k", throttled(LevelAppKey, time.Minute))
		}
		time.Sleep(2 * time.Minute)
		got := testutil.CollectAndCount(w.metrics, "toprelay_pause_seconds_total")
		if got != 1 {
			t.Fatalf("%d series, want 1", got)
		}
		if _, err := w.registry.Gather(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestLogSaysWhatWhereAndUntil(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "order-4711", throttled(LevelAppKeyMethod, time.Minute))
		time.Sleep(time.Minute)
		w.Active(s)
		w.call(s, "order-4711", misconfigured(LevelAccountMethod))
		w.call(s, "order-4712", misconfigured(LevelAccountMethod))
		time.Sleep(30 * time.Second)
		w.ok(s, "order-4713")
		for _, want := range [][]string{
			{"paused", "reason=throttled", "scope=app_key_method", "account=a", "method=" + update, "until=2000-01-01T", `detail="7 acc`},
			{"resumed", "reason=throttled", `why="the ban is over"`, "after=60"},
			{"level=WARN", "parked one key", "reason=misconfigured", "account=a", "method=" + update, "detail=25", "advice=\"look here\"", "key=order-4711", "next_try=2000-01-01T"},
			{"level=WARN", "paused", "reason=misconfigured", "next_probe=2000-01-01T", "detail=25", "advice=\"look here\""},
			{"resumed", "reason=misconfigured", `why="a probe passed"`},
		} {
			if n := w.logged(want...); n != 1 {
				t.Errorf("%d lines with %q in\n%s", n, want, w.logs)
			}
		}
		if n := w.logged("order-47"); n != 1 {
			t.Errorf("%d lines name a key, want that of the key which waits alone", n)
		}
	})
}
