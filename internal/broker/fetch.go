package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

const (
	// fetchWait is how long the broker holds back the reply to a fetch while the partition has nothing new.
	fetchWait = 500 * time.Millisecond

	// fetchBytes is how much one fetch asks for. It is a hint and no limit: the broker sends at least one whole batch,
	// so that 10 MiB come through a limit of 1 MB.
	fetchBytes = 1 << 20
)

// Fetch reads the committed records of one partition from offset on, as the Java client does in read_committed. It
// waits at most 500 ms for the first one, then returns an empty batch. Safe for concurrent use: fetches that wait do
// not hold up each other.
//
// It fails with a consumer.RangeError where offset is outside the log: kafka-go's Reader goes to the start of the log without an
// error instead, or waits until the log has grown up to the offset. All other errors may pass by themselves (the broker
// is away, the leader has moved, the topic is younger than this client's picture of the cluster: up to 3 s). The caller
// waits a little before it fetches again.
func (c *Client) Fetch(ctx context.Context, tp consumer.TopicPartition, offset int64) (consumer.Batch, error) {
	batch, err := c.fetch(ctx, tp, offset)
	switch {
	case err == nil:
		return batch, nil
	case errors.Is(err, kafka.OffsetOutOfRange):
		return consumer.Batch{}, c.rangeError(ctx, tp, offset)
	default:
		return consumer.Batch{}, fmt.Errorf("fetch %s/%d from offset %d: %w", tp.Topic, tp.Partition, offset, c.explain(err))
	}
}

func (c *Client) fetch(ctx context.Context, tp consumer.TopicPartition, offset int64) (consumer.Batch, error) {
	// Without a deadline a broker that hangs would keep the connection and its goroutine for ever.
	ctx, cancel := context.WithTimeout(ctx, fetchWait+c.cfg.RequestTimeout)
	defer cancel()
	m, err := c.round.RoundTrip(ctx, c.addr, newExchange(tp, offset, c.cfg.ClientID))
	if err != nil {
		return consumer.Batch{}, err
	}
	answer, ok := m.(*answer)
	if !ok {
		return consumer.Batch{}, fmt.Errorf("the reply is of an unexpected kind %T", m)
	}
	return answer.batch, answer.err
}

// rangeError asks where the log is; the refusal itself does not say.
func (c *Client) rangeError(ctx context.Context, tp consumer.TopicPartition, offset int64) error {
	e := &consumer.RangeError{TopicPartition: tp, Offset: offset, LogStart: -1, End: -1}
	if spans, err := c.Spans(ctx, tp); err == nil {
		e.LogStart, e.End = spans[tp].Start, spans[tp].End
	}
	return e
}
