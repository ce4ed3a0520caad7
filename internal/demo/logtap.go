package demo

import (
	"context"
	"log/slog"
	"strings"
	"time"
)

// logTap shows the worker's own log lines that tell of the world: pauses, breakers, troubles. What an outcome says is shown
// from the outcome.
type logTap struct {
	scr   *screen
	attrs []slog.Attr
}

func newLogTap(scr *screen) *logTap { return &logTap{scr: scr} }

// Enabled implements slog.Handler.
func (t *logTap) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

// Handle implements slog.Handler.
func (t *logTap) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "settled" {
		return nil
	}
	var b strings.Builder
	b.WriteString(r.Message)
	write := func(a slog.Attr) bool {
		if text := shown(a); text != "" {
			b.WriteString("  " + a.Key + "=" + text)
		}
		return true
	}
	for _, a := range t.attrs {
		write(a)
	}
	r.Attrs(write)
	t.scr.say("worker: " + b.String())
	return nil
}

// shown is the value of an attribute for a person: times in local time to the second, and numbers of seconds with their
// unit, which the worker's log leaves out.
func shown(a slog.Attr) string {
	switch v := a.Value.Resolve(); {
	case v.Kind() == slog.KindTime:
		return v.Time().Local().Format(time.RFC3339)
	case v.Kind() == slog.KindFloat64 && a.Key == "after":
		return time.Duration(v.Float64() * float64(time.Second)).Round(time.Millisecond).String()
	default:
		return v.String()
	}
}

// WithAttrs implements slog.Handler.
func (t *logTap) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logTap{scr: t.scr, attrs: append(t.attrs[:len(t.attrs):len(t.attrs)], attrs...)}
}

// WithGroup implements slog.Handler. The worker uses no groups.
func (t *logTap) WithGroup(string) slog.Handler { return t }
