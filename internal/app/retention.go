package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/consumer"
)

const (
	// retentionLook is how often the age of what waits is compared with the topics' retention.
	retentionLook = time.Minute
	// retentionAgain is how often a partition that goes on being late is said again.
	retentionAgain = time.Hour
	halfUsed       = 0.5 // of the retention: a warning
	mostUsed       = 0.8 // an error: soon Kafka removes events that nobody has settled
)

// retentionWatch warns before Kafka removes what waits (contract section 7, promise 1).
type retentionWatch struct {
	settings   func(ctx context.Context, topics ...string) (map[string]broker.Settings, error)
	partitions func() []consumer.PartitionStatus
	topics     []string
	log        *slog.Logger
	said       map[consumer.TopicPartition]late
}

// late is what was said of a partition.
type late struct {
	level slog.Level
	at    time.Time
}

// watchRetention runs a retentionWatch until the worker stops.
func (a *App) watchRetention(ctx context.Context) {
	w := &retentionWatch{settings: a.client.Settings, partitions: a.worker.Partitions, topics: a.topics(), log: a.log}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.run(ctx)
	}()
	a.onStop(func() {
		cancel()
		<-done
	})
}

func (w *retentionWatch) run(ctx context.Context) {
	w.said = map[consumer.TopicPartition]late{}
	ticker := time.NewTicker(retentionLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, topic := range w.topics { // each for itself: one that may not be described hides no other
			asking, cancel := context.WithTimeout(ctx, stopTimeout)
			s, err := w.settings(asking, topic)
			cancel()
			if kept := s[topic].Kept(); err == nil && kept > 0 {
				w.look(topic, kept)
			}
		}
	}
}

// look compares what holds each partition of a topic with its retention.
func (w *retentionWatch) look(topic string, retention time.Duration) {
	now := time.Now()
	for _, p := range w.partitions() {
		if p.Topic != topic {
			continue
		}
		tp := consumer.TopicPartition{Topic: p.Topic, Partition: p.Partition}
		said, before := w.said[tp]
		var age time.Duration
		if p.Oldest != nil {
			age = now.Sub(p.Oldest.RecordedAt)
		}
		share := age.Seconds() / retention.Seconds()
		var level slog.Level
		switch {
		case share >= mostUsed:
			level = slog.LevelError
		case share >= halfUsed:
			level = slog.LevelWarn
		case p.Oldest == nil && p.Lag > 0: // what waits was not fetched: its age is not known
			continue
		case before:
			delete(w.said, tp)
			w.log.Info("what waits is well within the topic's retention again", "topic", p.Topic, "partition", p.Partition)
			continue
		default:
			continue
		}
		if before && level <= said.level && now.Sub(said.at) < retentionAgain {
			continue
		}
		w.said[tp] = late{level, now}
		w.log.Log(context.Background(), level, "what waits has used up much of its topic's retention: Kafka removes it when all is used up, delivered or not",
			"topic", p.Topic, "partition", p.Partition, "offset", p.Oldest.Offset, "type", p.Oldest.Type,
			"age", age.Round(time.Second).String(), "retention", retention.String(), "used", int(share*100))
	}
}
