package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/consumer"
)

// watchLog is a log that a test reads while it is written.
type watchLog struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *watchLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// text is all that was written since the last take.
func (l *watchLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// take returns what was written since the last take.
func (l *watchLog) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.buf.String()
	l.buf.Reset()
	return text
}

// What waits is said at half of the retention, at four fifths, again each hour, and when it is over.
func TestRetentionWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs watchLog
		recorded := time.Now()
		var settled atomic.Bool
		var behind atomic.Int64
		w := &retentionWatch{
			topics: []string{"hidden", "kept", "orders"}, log: slog.New(slog.NewTextHandler(&logs, nil)),
			settings: func(_ context.Context, topics ...string) (map[string]broker.Settings, error) {
				return map[string]broker.Settings{"kept": {RetentionMS: -1}, "orders": {RetentionMS: (10 * time.Hour).Milliseconds()}},
					map[bool]error{true: errors.New("not allowed")}[topics[0] == "hidden"]
			},
			partitions: func() []consumer.PartitionStatus {
				all := []consumer.PartitionStatus{{Topic: "orders", Partition: 1}}
				for _, topic := range []string{"hidden", "kept", "orders"} {
					s := consumer.PartitionStatus{Topic: topic, Partition: 0}
					if settled.Load() {
						s.Lag = behind.Load()
					} else {
						s.Oldest = &consumer.UnsettledItem{Offset: 7, Type: "a", RecordedAt: recorded}
					}
					all = append(all, s)
				}
				return all
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.run(ctx)
		}()
		said := func() (levels []string) {
			synctest.Wait()
			for line := range strings.Lines(logs.take()) {
				_, level, _ := strings.Cut(line, "level=")
				level, _, _ = strings.Cut(level, " ")
				levels = append(levels, level)
				if !strings.Contains(line, "topic=orders partition=0") {
					t.Errorf("line %s", line)
				}
			}
			return levels
		}
		for _, step := range []struct {
			after time.Duration
			want  []string
		}{
			{4*time.Hour + 59*time.Minute, nil},
			{2 * time.Minute, []string{"WARN"}},
			{58 * time.Minute, nil},
			{2*time.Hour + 3*time.Minute, []string{"WARN", "WARN", "ERROR"}},
			{time.Hour, []string{"ERROR"}},
		} {
			time.Sleep(step.after)
			if got := said(); !slices.Equal(got, step.want) {
				t.Errorf("%v after the record: %v, want %v", time.Since(recorded), got, step.want)
			}
		}
		behind.Store(3)
		settled.Store(true)
		time.Sleep(2 * time.Minute)
		if got := said(); len(got) > 0 {
			t.Errorf("with records that were not fetched: %v", got)
		}
		behind.Store(0)
		time.Sleep(2 * time.Minute)
		if got := said(); !slices.Equal(got, []string{"INFO"}) {
			t.Errorf("in the end %v", got)
		}
		cancel()
		<-done
	})
}
