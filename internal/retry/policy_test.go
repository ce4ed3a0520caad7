package retry

import (
	"testing"
	"time"
)

var standard = Policy{
	InitialInterval: 500 * time.Millisecond, Multiplier: 2, RandomizationFactor: 0.5,
	MaxInterval: time.Minute, MaxAttempts: 8, GiveUpAfter: time.Hour,
}

func TestDelayFollowsTheCurve(t *testing.T) {
	exact := standard
	exact.RandomizationFactor = 0
	for attempt, want := range map[int]time.Duration{
		-1: 500 * time.Millisecond, 0: 500 * time.Millisecond, 1: 500 * time.Millisecond, 2: time.Second,
		3: 2 * time.Second, 7: 32 * time.Second, 8: time.Minute, 30: time.Minute, 64: time.Minute, 1000: time.Minute,
		1 << 40: time.Minute,
	} {
		if got := exact.Delay(attempt); got != want {
			t.Errorf("Delay(%d) = %v, want %v", attempt, got, want)
		}
		low, high := want/2, min(want*3/2+1, time.Minute)
		seenLow, seenHigh := false, false
		for range 2000 {
			got := standard.Delay(attempt)
			if got < low || got > high {
				t.Fatalf("Delay(%d) = %v with jitter, want %v to %v", attempt, got, low, high)
			}
			seenLow = seenLow || got < want*3/4
			seenHigh = seenHigh || got > want*9/10
		}
		if !seenLow || !seenHigh {
			t.Errorf("Delay(%d) does not use its range", attempt)
		}
	}
}

// Whatever the configuration, a delay is positive and not longer than MaxInterval: no hot loop, no year.
func TestDelayOfOddPolicies(t *testing.T) {
	for name, p := range map[string]Policy{
		"zero":               {},
		"no growth":          {InitialInterval: time.Second, Multiplier: 1, MaxInterval: time.Minute},
		"shrinking":          {InitialInterval: time.Second, Multiplier: 0.1, MaxInterval: time.Minute},
		"first above most":   {InitialInterval: time.Hour, Multiplier: 2, MaxInterval: time.Minute},
		"wild jitter":        {InitialInterval: time.Second, Multiplier: 2, RandomizationFactor: 9, MaxInterval: time.Minute},
		"negative":           {InitialInterval: -1, Multiplier: -1, RandomizationFactor: -1, MaxInterval: -1},
		"largest durations":  {InitialInterval: 1 << 62, Multiplier: 1e300, RandomizationFactor: 1, MaxInterval: 1<<63 - 1},
		"slow growth, steep": {InitialInterval: time.Nanosecond, Multiplier: 1.01, MaxInterval: time.Hour},
	} {
		for _, attempt := range []int{0, 1, 30, 64, 1000} {
			if d := p.Delay(attempt); d <= 0 || d > max(p.MaxInterval, shortestDelay) {
				t.Errorf("%s: Delay(%d) = %v", name, attempt, d)
			}
		}
	}
}

func TestExhaustedNeedsAllThree(t *testing.T) {
	enough := History{Attempts: 8, Active: time.Hour}
	for _, test := range []struct {
		name    string
		policy  Policy
		history History
		witness bool
		want    bool
	}{
		{"all three", standard, enough, true, true},
		{"no witness", standard, enough, false, false},
		{"no witness for ever", standard, History{Attempts: 1e6, Active: 1e6 * time.Hour}, false, false},
		{"too few attempts", standard, History{Attempts: 7, Active: 9 * time.Hour}, true, false},
		{"too little active time", standard, History{Attempts: 900, Active: time.Hour - 1}, true, false},
		{"the zero policy never gives up", Policy{}, enough, true, false},
	} {
		if got := test.policy.Exhausted(test.history, test.witness); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
