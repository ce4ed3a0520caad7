package retry

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// What is paused goes through JSON into the gate of the next process: bans hold to their end, the rest is found out.
func TestBansSurviveARestart(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		a := at("a", update)
		w.call(at("b", syncing), "k1", Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27"})
		w.call(at("d", syncing), "k1", throttled(LevelMethod, time.Minute))
		w.call(at("c", update), "k1", throttled(LevelAppKey, 10*time.Minute))
		w.call(a, "k1", throttled(LevelAppKeyMethod, time.Hour))
		time.Sleep(5 * time.Minute)

		next := newWorld(t, Options{})
		next.Restore(through(t, w.Pauses()))
		next.refused(a, "k", ReasonThrottled, 55*time.Minute, false)
		next.refused(at("c", update), "k", ReasonThrottled, 5*time.Minute, false)
		next.ok(at("b", syncing), "k") // a session pause has no end: its first call finds out
		next.ok(at("d", syncing), "k") // over
		if got := time.Until(next.NextChange()); got != 5*time.Minute {
			t.Fatalf("next change in %v, want 5m", got)
		}
		time.Sleep(5 * time.Minute)
		next.ok(at("c", update), "k")
		if got := next.Active(a); got != 0 {
			t.Fatalf("active %v in a restored ban", got)
		}
		time.Sleep(50 * time.Minute)
		next.ok(a, "k")

		// A shorter ban from the store does not shorten one that is on; a longer one prolongs it.
		next.call(a, "k", throttled(LevelAppKeyMethod, time.Hour))
		ban := next.Pauses()[0]
		ban.Until = ban.Until.Add(-time.Minute)
		next.Restore([]Pause{ban, {Level: 99, Reason: ReasonThrottled, Until: time.Now().Add(time.Hour)}})
		next.refused(a, "k", ReasonThrottled, time.Hour, false)
		ban.Until = ban.Until.Add(time.Hour)
		next.Restore([]Pause{ban})
		next.refused(a, "k", ReasonThrottled, 119*time.Minute, false)
	})
}

// through sends a value through JSON.
func through[T any](t *testing.T, v T) (out T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPausesAsJSON(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		w.call(at("b", update), "k1", Report{Kind: KindSession, Level: LevelAccount, Immediate: true, Detail: "27 expired"})
		w.call(at("a", syncing), "k1", throttled(LevelAppKey, time.Hour))
		text, err := json.Marshal(w.Pauses())
		if err != nil {
			t.Fatal(err)
		}
		want := `[{"level":"account","account":"b","reason":"session","since":"2000-01-01T00:00:00Z",` +
			`"next_probe":"2000-01-01T00:00:30Z","detail":"27 expired"},` +
			`{"level":"app_key","account":"a","app_key":"app-a","reason":"throttled","since":"2000-01-01T00:00:00Z",` +
			`"until":"2000-01-01T01:00:00Z","detail":"7 accesscontrol"}]`
		got := strings.ReplaceAll(string(text), time.Now().Format("-07:00"), "Z")
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// The day's count and the halved rate survive too.
func TestLimitsSurviveARestart(t *testing.T) {
	in(t, Options{Rate: Rate{PerSecond: 10, PerDay: 5}}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.ok(s, "k")
		w.call(s, "k", throttled(LevelAppKeyMethod, time.Millisecond))
		time.Sleep(time.Second)

		next := newWorld(t, Options{Rate: Rate{PerSecond: 10, PerDay: 5}})
		next.ok(s, "k") // before the store has answered
		next.RestoreLimits(through(t, w.Limits()))
		if got := next.Limits()[0]; got.Share != 0.5 || got.Spent != 3 {
			t.Fatalf("restored %+v, want half the rate and 3 calls spent", got)
		}
		next.ok(s, "k")
		next.ok(s, "k")
		next.refused(s, "k", ReasonRateLimit, 16*time.Hour-time.Second, false)

		unlimited := newWorld(t, Options{})
		unlimited.RestoreLimits(w.Limits())
		unlimited.ok(s, "k")

		time.Sleep(24 * time.Hour) // yesterday's count is nothing today
		next = newWorld(t, Options{Rate: Rate{PerDay: 5}})
		next.RestoreLimits(w.Limits())
		for range 5 {
			next.ok(s, "k")
		}
	})
}

func TestReleaseOfABan(t *testing.T) {
	in(t, Options{}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.call(s, "k", throttled(LevelMethod, time.Hour))
		w.call(at("a", syncing), "k", throttled(LevelMethod, 2*time.Hour))
		if !w.Release(LevelMethod, s, ReasonThrottled) {
			t.Fatal("not released")
		}
		w.ok(s, "k")
		if got := time.Until(w.NextChange()); got != 2*time.Hour {
			t.Fatalf("next change in %v, want the other ban's end", got)
		}
	})
}

func TestLevelText(t *testing.T) {
	for l := Level(1); l <= levels; l++ {
		if got := through(t, l); got != l {
			t.Errorf("%v becomes %v", l, got)
		}
	}
	if got := through(t, map[string]Level{"x": 77}); !reflect.DeepEqual(got, map[string]Level{"x": 0}) {
		t.Errorf("an unknown level becomes %v", got)
	}
	if got := fmt.Sprint(LevelAppKeyMethod); got != "app_key_method" {
		t.Errorf("named %q", got)
	}
}
