package retry

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drain admits calls as fast as the bucket lets them through for d, and returns when they were.
func drain(w *world, s Scope, d time.Duration) []time.Time {
	w.t.Helper()
	end := time.Now().Add(d)
	var calls []time.Time
	for {
		p, r := w.Admit(s, "k")
		switch {
		case p != nil:
			calls = append(calls, time.Now())
			p.Done(ok)
		case r.Reason != ReasonRateLimit || !r.Until.After(time.Now()):
			w.t.Fatalf("refused: %+v", *r)
		case r.Until.After(end):
			time.Sleep(time.Until(end))
			return calls
		default:
			if next := w.NextChange(); next.After(r.Until) || next.IsZero() {
				w.t.Fatalf("next change at %v, the token at %v", next, r.Until)
			}
			time.Sleep(time.Until(r.Until))
		}
	}
}

// busiest is the largest number of calls in any second.
func busiest(calls []time.Time) int {
	most, from := 0, 0
	for i, at := range calls {
		for !calls[from].After(at.Add(-time.Second)) {
			from++
		}
		most = max(most, i-from+1)
	}
	return most
}

func TestRateLimit(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   Rate
		minute int // calls in a greedy minute, at least
		second int // calls in any second, at most
		first  int // calls at once in the beginning
	}{
		{"50 a second", Rate{PerSecond: 50, Burst: 50}, 2950, 50, 50},
		{"burst not set", Rate{PerSecond: 50}, 2950, 50, 50},
		{"small burst", Rate{PerSecond: 50, Burst: 1}, 2950, 50, 1},
		{"large burst", Rate{PerSecond: 5, Burst: 100}, 390, 100, 100},
		{"slow", Rate{PerSecond: 0.5, Burst: 1}, 30, 1, 1},
		{"none", Rate{PerSecond: 0, Burst: 9, PerDay: 77}, 77, 77, 77},
	} {
		t.Run(test.name, func(t *testing.T) {
			in(t, Options{Rate: test.rate}, func(t *testing.T, w *world) {
				s := at("a", update)
				time.Sleep(time.Hour) // the bucket is full
				calls := drain(w, s, time.Minute)
				most := int(60*test.rate.PerSecond) + test.second
				if len(calls) < test.minute || len(calls) > most {
					t.Errorf("%d calls in a minute, want %d to %d", len(calls), test.minute, most)
				}
				if got := busiest(calls); got > test.second {
					t.Errorf("%d calls in one second, want at most %d", got, test.second)
				}
				first := 0
				for _, at := range calls {
					if at.Equal(calls[0]) {
						first++
					}
				}
				if first != test.first {
					t.Errorf("%d calls at once, want %d", first, test.first)
				}
			})
		})
	}
}

// A burst happens once after a quiet time. It does not come back each second, where two of them could meet on the wire.
func TestBurstsDoNotRepeat(t *testing.T) {
	in(t, Options{Rate: Rate{PerSecond: 50, Burst: 50}}, func(t *testing.T, w *world) {
		calls := drain(w, at("a", update), time.Minute)
		for i := 51; i < len(calls); i++ {
			if gap := calls[i].Sub(calls[i-1]); gap < 19*time.Millisecond {
				t.Fatalf("call %d comes %v after the one before, want about 20ms", i, gap)
			}
		}
	})
}

// One bucket for an app key and method: accounts of one app key share it, others have their own.
func TestWhoSharesABucket(t *testing.T) {
	one := Rate{PerSecond: 1, Burst: 1}
	in(t, Options{Methods: map[string]MethodOptions{update: {Repeatable: true, Rate: &one}}}, func(t *testing.T, w *world) {
		s := at("a", update)
		w.ok(s, "k")
		w.refused(Scope{Account: "b", AppKey: s.AppKey, Method: update}, "k", ReasonRateLimit, time.Second, false)
		w.ok(at("c", update), "k")
		w.ok(at("a", syncing), "k")
		w.ok(at("a", syncing), "k") // the other method has no limit
	})
}

// A throttle reply halves the bucket once for all the calls that were in flight, down to a floor; it grows back by a
// tenth of the configured rate each 10 s.
func TestThrottleHalvesTheBucket(t *testing.T) {
	in(t, Options{Concurrency: 8, Rate: Rate{PerSecond: 40, Burst: 40}}, func(t *testing.T, w *world) {
		s := at("a", update)
		ban := throttled(LevelAppKeyMethod, time.Millisecond)
		share := func() float64 { return w.Limits()[0].Share }
		p1, p2 := w.must(s, "k1"), w.must(s, "k2")
		time.Sleep(time.Second)
		p1.Done(ban)
		p2.Done(ban)
		if got := share(); got != 0.5 {
			t.Fatalf("share %v after one trouble, want 0.5", got)
		}
		time.Sleep(9 * time.Second)
		w.warm(s)
		if got := busiest(drain(w, s, time.Second/2)); got > 20 {
			t.Fatalf("%d calls in a second at half the rate, want at most 20", got)
		}
		time.Sleep(time.Second)
		if got := share(); got != 0.6 {
			t.Fatalf("share %v after 10 s, want 0.6", got)
		}
		for range 10 { // looking does not delay it
			time.Sleep(3 * time.Second)
			share()
		}
		if got := share(); got < 0.89 || got > 0.91 {
			t.Fatalf("share %v after 40 s, want 0.9", got)
		}
		for range 20 {
			p, _ := w.Admit(s, "k")
			for p == nil {
				time.Sleep(100 * time.Millisecond)
				p, _ = w.Admit(s, "k")
			}
			p.Done(ban)
		}
		if got := share(); got != leastShare {
			t.Fatalf("share %v, want the floor %v", got, leastShare)
		}
		time.Sleep(101 * time.Second)
		if got := share(); got != 1 {
			t.Fatalf("share %v in the end, want 1", got)
		}
		w.warm(s)
		time.Sleep(2 * time.Second)
		if got := busiest(drain(w, s, time.Minute)); got != 40 {
			t.Fatalf("%d calls in a second, want the configured 40", got)
		}
	})
}

// The day is that of GMT+8; a bubble starts at 08:00 of it.
func TestDailyLimit(t *testing.T) {
	in(t, Options{Rate: Rate{PerDay: 3}}, func(t *testing.T, w *world) {
		s := at("a", update)
		for range 3 {
			w.ok(s, "k")
		}
		w.refused(s, "k", ReasonRateLimit, 16*time.Hour, false)
		if got := time.Until(w.NextChange()); got != 16*time.Hour {
			t.Fatalf("next change in %v, want midnight", got)
		}
		time.Sleep(16*time.Hour - 1)
		if p, _ := w.Admit(s, "k"); p != nil {
			t.Fatal("admitted before midnight")
		}
		time.Sleep(time.Nanosecond)
		for range 3 {
			w.ok(s, "k")
		}
		w.refused(s, "k", ReasonRateLimit, 24*time.Hour, false)
	})
}

// TestUnusedPermit: a permit whose call was not made costs nothing, wherever it stands among those that were used.
func TestUnusedPermit(t *testing.T) {
	for _, r := range []Rate{{PerSecond: 5, Burst: 5, PerDay: 40}, {PerSecond: 5, Burst: 1, PerDay: 40}, {PerDay: 40}} {
		in(t, Options{Rate: r}, func(t *testing.T, w *world) {
			s := at("a", update)
			time.Sleep(time.Hour)
			for range 1000 {
				w.must(s, "k").Unused()
			}
			// With every call go two permits that are not used, one given back before it and one after it.
			var calls []time.Time
			for until := time.Now().Add(time.Minute); time.Now().Before(until) && len(calls) < 39; {
				before, _ := w.Admit(s, "k")
				p, _ := w.Admit(s, "k")
				after, _ := w.Admit(s, "k")
				if before != nil {
					before.Unused()
				}
				if p == nil { // the other took the token
					p, _ = w.Admit(s, "k")
				}
				if p != nil {
					calls = append(calls, time.Now())
					p.Done(ok)
				}
				if after != nil {
					after.Unused()
				}
				if p == nil {
					time.Sleep(10 * time.Millisecond)
				}
			}
			if len(calls) < 39 {
				t.Errorf("%+v: %d calls of 39 in a minute", r, len(calls))
			}
			if r.PerSecond > 0 {
				if got := busiest(calls); got > 5 {
					t.Errorf("%+v: %d calls in a second", r, got)
				}
				if took := calls[38].Sub(calls[0]); took > 8*time.Second {
					t.Errorf("%+v: 39 calls took %v", r, took)
				}
			}
			time.Sleep(2 * time.Second)
			w.ok(s, "k")
			if p, refusal := w.Admit(s, "k"); p != nil || time.Until(refusal.Until) < time.Minute {
				t.Errorf("%+v: the day's 40 are used up: %v, %+v", r, p, refusal)
			}
		})
	}
}

// TestUndoneTokens compares a window from which tokens were taken back with one that never gave them out.
func TestUndoneTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 8).Draw(t, "width")
		every := time.Duration(rapid.IntRange(1, 400).Draw(t, "every")) * time.Millisecond
		var now time.Duration
		var given []uint64 // in with, not undone yet
		var used []time.Duration
		with := newSpent(width)
		for range rapid.IntRange(1, width+1).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(0, 300).Draw(t, "later")) * time.Millisecond
			if with.back(width) > now {
				now = with.back(width)
			}
			number := with.take(now, every)
			if rapid.Bool().Draw(t, "used") {
				used = append(used, now)
			} else {
				given = append(given, number)
			}
		}
		for _, i := range rapid.Permutation(given).Draw(t, "order") {
			with.undo(i, every)
		}
		without := newSpent(width)
		for _, at := range used {
			without.take(at, every)
		}
		for w := 1; w <= width; w++ {
			if got, want := with.back(w), without.back(w); got != want {
				t.Fatalf("width %d: back at %v, want %v", w, got, want)
			}
		}
	})
}
