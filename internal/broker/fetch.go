package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/toprelay/worker/internal/consumer"
)

const (
	// fetchWait is how long the broker holds back the reply to a fetch while the partition has nothing new.
	fetchWait = 500 * time.Millisecond

	// fetchBytes is how much one fetch asks for. It is a hint and no limit: the broker sends at least one whole batch,
	// so that 10 MiB come through a limit of 1 MB.
	fetchBytes = 1 << 20

	readCommitted = 1
)

// RangeError says that a position is outside the log, and where the log is. It is consumer.ErrOffsetOutOfRange.
type RangeError struct {
	consumer.TopicPartition
	Offset        int64
	LogStart, End int64 // -1 where the broker did not say
}

func (e *RangeError) Error() string {
	if e.LogStart < 0 {
		return fmt.Sprintf("fetch %s/%d from offset %d: offset out of range", e.Topic, e.Partition, e.Offset)
	}
	return fmt.Sprintf("fetch %s/%d from offset %d: offset out of range: the log holds %d to %d",
		e.Topic, e.Partition, e.Offset, e.LogStart, e.End)
}

func (e *RangeError) Unwrap() error { return consumer.ErrOffsetOutOfRange }

// Fetch reads the committed records of one partition from offset on, as the Java client does in read_committed. It
// waits at most 500 ms for the first one, then returns an empty batch. Safe for concurrent use: fetches that wait do
// not hold up each other.
//
// It fails with a RangeError where offset is outside the log: kafka-go's Reader goes to the start of the log without an
// error instead, or waits until the log has grown up to the offset. All other errors may pass by themselves (the broker
// is away, the leader has moved, the topic is younger than this client's picture of the cluster: up to 3 s). The caller
// waits a little before it fetches again.
func (c *Client) Fetch(ctx context.Context, tp consumer.TopicPartition, offset int64) (consumer.Batch, error) {
	p, err := c.fetchPartition(ctx, tp, offset)
	if errors.Is(err, kafka.OffsetOutOfRange) {
		return consumer.Batch{}, c.rangeError(ctx, tp, offset)
	}
	if err == nil {
		var batch consumer.Batch
		if batch, err = readPartition(tp, offset, p); err == nil {
			return batch, nil
		}
	}
	return consumer.Batch{}, fmt.Errorf("fetch %s/%d from offset %d: %w", tp.Topic, tp.Partition, offset, err)
}

func (c *Client) fetchPartition(ctx context.Context, tp consumer.TopicPartition, offset int64) (*fetch.ResponsePartition, error) {
	// Without a deadline a broker that hangs would keep the connection and its goroutine for ever.
	ctx, cancel := context.WithTimeout(ctx, fetchWait+c.cfg.RequestTimeout)
	defer cancel()
	m, err := c.round.RoundTrip(ctx, c.addr, &fetch.Request{
		ReplicaID:      -1,
		MaxWaitTime:    int32(fetchWait / time.Millisecond),
		MinBytes:       1,
		MaxBytes:       fetchBytes,
		IsolationLevel: readCommitted,
		SessionEpoch:   -1, // no fetch session
		Topics: []fetch.RequestTopic{{Topic: tp.Topic, Partitions: []fetch.RequestPartition{{
			Partition:          int32(tp.Partition),
			CurrentLeaderEpoch: -1,
			FetchOffset:        offset,
			LogStartOffset:     -1,
			PartitionMaxBytes:  fetchBytes,
		}}}},
	})
	if err != nil {
		return nil, err
	}
	r, ok := m.(*fetch.Response)
	if !ok || r.ErrorCode == 0 && (len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1) {
		return nil, errors.New("the reply is not about the one partition that was asked for")
	}
	if r.ErrorCode != 0 {
		return nil, kafka.Error(r.ErrorCode)
	}
	p := &r.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return nil, kafka.Error(p.ErrorCode)
	}
	return p, nil
}

// rangeError asks where the log is; the refusal itself does not say.
func (c *Client) rangeError(ctx context.Context, tp consumer.TopicPartition, offset int64) error {
	e := &RangeError{TopicPartition: tp, Offset: offset, LogStart: -1, End: -1}
	if spans, err := c.Spans(ctx, tp); err == nil {
		e.LogStart, e.End = spans[tp].Start, spans[tp].End
	}
	return e
}

// readPartition takes the committed records from offset on out of a reply.
func readPartition(tp consumer.TopicPartition, offset int64, p *fetch.ResponsePartition) (consumer.Batch, error) {
	b := consumer.Batch{Next: offset, LogStart: p.LogStartOffset, End: p.LastStableOffset}
	stream, ok := p.RecordSet.Records.(*protocol.RecordStream)
	if !ok {
		return b, nil // nothing new
	}
	r := batchReader{tp: tp, from: offset, aborted: sortAborted(p.AbortedTransactions), open: map[int64]bool{}, out: &b}
	for _, records := range stream.Records {
		if err := r.read(records); err != nil {
			return consumer.Batch{}, err
		}
	}
	if b.Next == offset {
		// Whole batches came and none of them has a record at offset or after: compaction took it. Without this step the
		// same emptied batch is fetched for ever, in a hot loop. kafka-go does not tell a batch's last offset, so a batch
		// that ends in a gap costs a fetch for each offset of the gap, unless another batch came behind it.
		b.Next++
	}
	return b, nil
}
