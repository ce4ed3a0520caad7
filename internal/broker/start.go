package broker

import (
	"context"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

// fixStart makes "latest" a fact before the first join of a group that has no commit at all: it commits the end of each
// partition. Left open, the start would be wherever the end is at each restart until the first commit, and what came
// in between would be lost. Afterwards the group has commits, so that partitions added later start at the earliest.
//
// Commits without a generation are taken only while the group has no members. Of several workers that start together
// each may write its own ends, all of them before the first one reads anything.
func (s *Source) fixStart(ctx context.Context) error {
	if s.cfg.StartOffset != StartLatest {
		return nil
	}
	committed, err := s.c.GroupOffsets(ctx, s.cfg.Group)
	if err != nil || len(committed) > 0 {
		return err
	}
	topics, err := s.c.Topics(ctx, s.cfg.Topics...)
	if err != nil {
		return err
	}
	request := map[string][]kafka.OffsetCommit{}
	for _, t := range topics {
		for p := range t.Partitions {
			tp := consumer.TopicPartition{Topic: t.Name, Partition: p}
			spans, err := s.c.Spans(ctx, tp)
			if err != nil {
				return err
			}
			request[t.Name] = append(request[t.Name], kafka.OffsetCommit{Partition: p, Offset: spans[tp].End})
		}
	}
	r, err := s.c.client.OffsetCommit(ctx, &kafka.OffsetCommitRequest{GroupID: s.cfg.Group, GenerationID: -1, Topics: request})
	if err != nil {
		return fmt.Errorf("commit the start at the latest offsets: %w", s.c.explain(err))
	}
	for topic, partitions := range r.Topics {
		for _, p := range partitions {
			if fenced(p.Error) {
				return nil // somebody is in the group by now, and has fixed the start before that
			}
			if p.Error != nil {
				return fmt.Errorf("commit the start at the latest offset of %s/%d: %w", topic, p.Partition, p.Error)
			}
		}
	}
	s.cfg.Log.Info("the group has no commit yet: starting at the latest offsets", "group", s.cfg.Group)
	return nil
}
