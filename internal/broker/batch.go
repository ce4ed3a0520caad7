package broker

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// batchReader takes the batches of one reply, in log order, and keeps the committed records.
//
// kafka-go leaves this to its caller: its ReadCommitted only stops at the last stable offset. Aborted records come
// through, and commit and abort markers arrive as messages with the key 00000001 or 00000000.
type batchReader struct {
	tp      consumer.TopicPartition
	from    int64
	aborted []fetch.ResponseTransaction // not yet begun at this point of the log, by first offset
	open    map[int64]bool              // producers whose transaction, at this point of the log, will be aborted
	out     *consumer.Batch
}

func sortAborted(ts []fetch.ResponseTransaction) []fetch.ResponseTransaction {
	slices.SortFunc(ts, func(a, b fetch.ResponseTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return ts
}

func (r *batchReader) read(batch protocol.RecordReader) error {
	switch b := batch.(type) {
	case *protocol.ControlBatch:
		r.begin(b.BaseOffset)
		return r.readMarkers(b)
	case *protocol.RecordBatch:
		r.begin(b.BaseOffset)
		r.pass(b.BaseOffset) // a batch that compaction has emptied keeps its place in the log
		return r.readRecords(b, b.Attributes.Transactional() && r.open[b.ProducerID])
	case *protocol.MessageSet: // written before Kafka 0.11
		r.pass(b.BaseOffset)
		return r.readRecords(b, false)
	default:
		return fmt.Errorf("batch of unknown kind %T", batch)
	}
}

// begin opens the aborted transactions that begin up to offset. It has to see control batches too: where compaction has
// taken all records of an aborted transaction, its marker is what ends it, and a transaction left open would swallow
// the next one of the same producer.
func (r *batchReader) begin(offset int64) {
	for len(r.aborted) > 0 && r.aborted[0].FirstOffset <= offset {
		r.open[r.aborted[0].ProducerID] = true
		r.aborted = r.aborted[1:]
	}
}

// pass moves the next offset to fetch past offset.
func (r *batchReader) pass(offset int64) { r.out.Next = max(r.out.Next, offset+1) }

const markerAbort = 0

// readMarkers reads a control batch, which holds one marker, or none after compaction.
func (r *batchReader) readMarkers(b *protocol.ControlBatch) error {
	r.pass(b.BaseOffset)
	for {
		// The record comes first: ReadControlRecord of a batch says nothing about where a marker that it cannot read was.
		rec, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("control batch at offset %d: %w", b.BaseOffset, err)
		}
		marker, err := protocol.ReadControlRecord(rec)
		if err != nil {
			return fmt.Errorf("marker at offset %d: %w", rec.Offset, err)
		}
		if marker.Type == markerAbort {
			delete(r.open, b.ProducerID)
		}
		if marker.Offset >= r.from {
			r.out.Skipped++
		}
		r.pass(marker.Offset)
	}
}

func (r *batchReader) readRecords(b protocol.RecordReader, aborted bool) error {
	for {
		rec, err := b.ReadRecord()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.pass(rec.Offset)
		switch {
		case rec.Offset < r.from: // the broker sends whole batches, also from before the offset
		case aborted:
			r.out.Skipped++
		default:
			out, err := r.record(rec)
			if err != nil {
				return fmt.Errorf("record at offset %d: %w", rec.Offset, err)
			}
			r.out.Records = append(r.out.Records, out)
		}
		closeBytes(rec.Key)
		closeBytes(rec.Value)
	}
}

// record copies rec, whose bytes belong to pages of kafka-go that hold 64 KiB of other records: one that waits long for
// its call must not keep them all. Key and value share one allocation.
func (r *batchReader) record(rec *protocol.Record) (event.Record, error) {
	out := event.Record{Topic: r.tp.Topic, Partition: r.tp.Partition, Offset: rec.Offset, Time: rec.Time}
	data := make([]byte, length(rec.Key)+length(rec.Value))
	var err error
	if out.Key, data, err = take(rec.Key, data); err != nil {
		return event.Record{}, err
	}
	if out.Value, _, err = take(rec.Value, data); err != nil {
		return event.Record{}, err
	}
	if len(rec.Headers) > 0 {
		out.Headers = make([]event.Header, len(rec.Headers))
		for i, h := range rec.Headers {
			out.Headers[i] = event.Header(h)
		}
	}
	return out, nil
}

func length(b protocol.Bytes) int {
	if b == nil {
		return 0
	}
	return b.Len()
}

// take fills the front of data from b and returns it and the rest. Absent stays nil, empty stays empty: kafka-go's
// Reader returns nil for both, and a dead letter written from that would turn an empty value into a tombstone.
func take(b protocol.Bytes, data []byte) (taken, rest []byte, err error) {
	if b == nil {
		return nil, data, nil
	}
	n := b.Len()
	if _, err := io.ReadFull(b, data[:n]); err != nil {
		return nil, data, err
	}
	return data[:n:n], data[n:], nil
}

func closeBytes(b protocol.Bytes) {
	if b != nil {
		b.Close()
	}
}
