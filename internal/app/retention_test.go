package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/consumer"
)

// What waits is said at half of the retention, at four fifths, again each hour, and when it is over.
func TestRetentionWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		recorded := time.Now()
		waits := true
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
					if waits {
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
		said := func() (lines []string) {
			synctest.Wait()
			for line := range strings.Lines(logs.String()) {
				_, level, _ := strings.Cut(line, "level=")
				level, _, _ = strings.Cut(level, " ")
				lines = append(lines, level)
				if !strings.Contains(line, "topic=orders partition=0") {
					t.Errorf("line %s", line)
				}
			}
			logs.Reset()
			return lines
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
		waits = false
		time.Sleep(2 * time.Minute)
		if got := said(); !slices.Equal(got, []string{"INFO"}) {
			t.Errorf("in the end %v", got)
		}
		cancel()
		<-done
	})
}
