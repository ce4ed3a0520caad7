package top

import (
	"testing"
	"time"
)

func TestBanWait(t *testing.T) {
	const daily = "accesscontrol.limited-by-app-access-count"
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, Zone)
	for _, c := range []struct {
		name, sub, text string
		now             time.Time
		want            time.Duration
	}{
		{"one second", "accesscontrol.limited-by-api-access-count", "App Call Limited: This ban will last for 1 more seconds", noon, time.Second},
		{"singular", "", "this ban will last for 60 more second", noon, time.Minute},
		{"a day's rest", daily, "This ban will last for 31062 more seconds", noon, 31062 * time.Second},
		{"zero", "", "This ban will last for 0 more seconds", noon, time.Second},
		{"absurd", "", "This ban will last for 99999999999999999999 more seconds", noon, 24 * time.Hour},
		{"two days", "", "This ban will last for 172800 more seconds", noon, 24 * time.Hour},
		{"negative is no number", "", "This ban will last for -5 more seconds", noon, time.Second},
		{"no text", "accesscontrol.limited-by-api-access-count", "", noon, time.Second},
		{"no text, code alone", "", "App Call Limited", noon, time.Second},
		{"daily without text: next probe", daily, "", noon, 10 * time.Minute},
		{"daily without text, near midnight", daily, "", time.Date(2026, 3, 1, 23, 58, 0, 0, Zone), 2 * time.Minute},
		{"daily without text, zone of the host is another", daily, "", time.Date(2026, 3, 1, 15, 59, 30, 0, time.UTC), 30 * time.Second},
		{"daily without text, at midnight", daily, "", time.Date(2026, 3, 1, 23, 59, 59, 999_000_000, Zone), time.Second},
	} {
		if got := banWait(c.sub, c.text, c.now); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRetryAfterWait(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"":                              time.Second,
		"0":                             time.Second,
		" 17 ":                          17 * time.Second,
		"9999999999999999999":           24 * time.Hour,
		"soon":                          time.Second,
		"-4":                            time.Second,
		"Sun, 01 Mar 2026 12:00:30 GMT": 30 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT": time.Second,
	} {
		if got := retryAfterWait(header, now); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}
