package demo

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

func TestLogLinesAreForPeople(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newLogTap(newScreen(Options{Out: &out})))
	until := time.Date(2026, 11, 25, 13, 32, 45, 261202988, time.UTC)
	for want, attr := range map[string]slog.Attr{
		"  until=" + until.Local().Format(time.RFC3339) + "\n": slog.Time("until", until),
		"  after=8.213s\n":     slog.Float64("after", 8.213),
		"  ratio=8.213\n":      slog.Float64("ratio", 8.213),
		"  reason=throttled\n": slog.String("reason", "throttled"),
	} {
		out.Reset()
		if log.Info("said", attr); !strings.HasSuffix(out.String(), "worker: said"+want) {
			t.Errorf("it prints %q, want it to end with %q", out.String(), want)
		}
	}
}

func TestRetriesSayWhenTheNextTryIs(t *testing.T) {
	for name, test := range map[string]struct {
		wait time.Duration
		want string
	}{
		"a delay":      {1234 * time.Millisecond, "next try in 1.23s\n"},
		"not its turn": {-time.Microsecond, "next try once its API is called again\n"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			newScreen(Options{Out: &out}).Attempted(consumer.Attempted{Wait: test.wait})
			if !strings.HasSuffix(out.String(), test.want) {
				t.Errorf("it prints %q, want %q", out.String(), test.want)
			}
		})
	}
}

func TestPausesSayWhatEndsThem(t *testing.T) {
	now := time.Now()
	for name, test := range map[string]struct {
		pause retry.Pause
		want  string
	}{
		"a ban":          {retry.Pause{Until: now.Add(time.Minute)}, "for another 1m0s"},
		"a ban, ending":  {retry.Pause{Until: now.Add(-time.Second)}, "for another 0s"},
		"a probe":        {retry.Pause{NextProbe: now.Add(time.Minute)}, "next probe in 1m0s"},
		"a probe is due": {retry.Pause{NextProbe: now.Add(-time.Second)}, "the next call is a probe"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScreen(Options{})
			s.pauses = []retry.Pause{test.pause}
			if lines := s.status(); len(lines) != 2 || !strings.HasSuffix(lines[1], test.want) {
				t.Errorf("it shows %q, want %q", lines, test.want)
			}
		})
	}
}
