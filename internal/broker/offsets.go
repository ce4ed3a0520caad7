package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

// Span is where a partition's log begins and ends. End is the last stable offset: where a consumer of committed records
// has nothing left to read.
type Span struct {
	Start, End int64
}

// Spans asks where the logs of partitions are. The answer is complete or an error.
func (c *Client) Spans(ctx context.Context, partitions ...consumer.TopicPartition) (map[consumer.TopicPartition]Span, error) {
	spans := make(map[consumer.TopicPartition]Span, len(partitions))
	// One partition after the other: kafka-go makes a request of each question and opens a connection for each of them
	// when they are asked together.
	for _, tp := range partitions {
		r, err := c.client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
			IsolationLevel: kafka.ReadCommitted,
			Topics: map[string][]kafka.OffsetRequest{
				tp.Topic: {kafka.FirstOffsetOf(tp.Partition), kafka.LastOffsetOf(tp.Partition)},
			},
		})
		if err == nil {
			err = errors.New("the reply is not about the partition that was asked for")
			for _, p := range r.Topics[tp.Topic] {
				if p.Partition == tp.Partition {
					spans[tp], err = Span{Start: p.FirstOffset, End: p.LastOffset}, p.Error
				}
			}
		}
		if err != nil {
			return nil, fmt.Errorf("offsets of %s/%d: %w", tp.Topic, tp.Partition, c.explain(err))
		}
	}
	return spans, nil
}

// GroupOffsets returns what a group has committed, over all topics: for each partition the next offset to read. A group
// that is unknown has committed nothing.
func (c *Client) GroupOffsets(ctx context.Context, group string) (map[consumer.TopicPartition]int64, error) {
	r, err := c.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group})
	if err == nil {
		err = r.Error
	}
	if errors.Is(err, kafka.GroupIdNotFound) { // a real broker says it without an error
		return map[consumer.TopicPartition]int64{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("committed offsets of group %s: %w", group, c.explain(err))
	}
	offsets := map[consumer.TopicPartition]int64{}
	for topic, partitions := range r.Topics {
		for _, p := range partitions {
			if p.Error != nil {
				return nil, fmt.Errorf("committed offset of group %s in %s/%d: %w", group, topic, p.Partition, p.Error)
			}
			if p.CommittedOffset >= 0 {
				offsets[consumer.TopicPartition{Topic: topic, Partition: p.Partition}] = p.CommittedOffset
			}
		}
	}
	return offsets, nil
}

func comparePartitions(a, b consumer.TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}
