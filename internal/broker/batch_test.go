package broker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/toprelay/worker/internal/consumer"
)

const transactional = protocol.Transactional

// data is a batch of producer with records at the given offsets; base is the batch's own offset, kept by compaction.
func data(producer, base int64, attributes protocol.Attributes, offsets ...int64) protocol.RecordReader {
	var rs []protocol.Record
	for _, o := range offsets {
		rs = append(rs, protocol.Record{Offset: o, Value: protocol.NewBytes(fmt.Appendf(nil, "v%d", o))})
	}
	return &protocol.RecordBatch{Attributes: attributes, BaseOffset: base, ProducerID: producer, Records: protocol.NewRecordReader(rs...)}
}

func marker(producer, offset int64, kind int16) protocol.RecordReader {
	m := protocol.ControlRecord{Offset: offset, Type: kind}
	return &protocol.ControlBatch{BaseOffset: offset, ProducerID: producer, Records: protocol.NewRecordReader(m.Record())}
}

// What compaction leaves cannot be written by a client, so these logs are made by hand. They are what a real broker was
// seen to send, and what the format allows beyond.
func TestReadPartition(t *testing.T) {
	const abort, commit = 0, 1
	for name, test := range map[string]struct {
		from    int64
		batches []protocol.RecordReader
		aborted []fetch.ResponseTransaction
		want    []int64
		next    int64
		skipped int
	}{
		"nothing": {from: 5, next: 5},
		"a batch that begins before the offset": {
			from: 5, batches: []protocol.RecordReader{data(1, 3, 0, 3, 4, 5, 6)}, want: []int64{5, 6}, next: 7,
		},
		"gaps in a batch and between batches": {
			from: 0, batches: []protocol.RecordReader{data(1, 0, 0, 1, 4), data(1, 9, 0, 11)}, want: []int64{1, 4, 11}, next: 12,
		},
		"emptied batches, then records": {
			from: 0, batches: []protocol.RecordReader{data(1, 0, 0), data(2, 7, 0), data(1, 9, 0, 9)}, want: []int64{9}, next: 10,
		},
		"an emptied batch alone":             {from: 7, batches: []protocol.RecordReader{data(1, 7, 0)}, next: 8},
		"the gap at the end of a batch":      {from: 8, batches: []protocol.RecordReader{data(1, 5, 0, 5, 6, 7)}, next: 9},
		"inside the gap of an emptied batch": {from: 9, batches: []protocol.RecordReader{data(1, 5, 0)}, next: 10},
		"a marker alone":                     {from: 3, batches: []protocol.RecordReader{marker(1, 3, commit)}, next: 4, skipped: 1},
		"an emptied control batch": {
			from: 3, batches: []protocol.RecordReader{&protocol.ControlBatch{BaseOffset: 3, Records: protocol.NewRecordReader()}}, next: 4,
		},
		"two producers, one aborted": {
			from: 0,
			batches: []protocol.RecordReader{
				data(1, 0, transactional, 0, 1), data(2, 2, transactional, 2), data(1, 3, transactional, 3),
				marker(1, 4, abort), marker(2, 5, commit), data(1, 6, transactional, 6), marker(1, 7, commit),
			},
			aborted: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 0}},
			want:    []int64{2, 6}, next: 8, skipped: 6,
		},
		"records outside of transactions of a producer that aborts": {
			from:    0,
			batches: []protocol.RecordReader{data(1, 0, transactional, 0), data(1, 1, 0, 1), marker(1, 2, abort)},
			aborted: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 0}},
			want:    []int64{1}, next: 3, skipped: 2,
		},
		"two aborted transactions of one producer, given out of order": {
			from: 0,
			batches: []protocol.RecordReader{
				data(1, 0, transactional, 0), marker(1, 1, abort), data(1, 2, transactional, 2), marker(1, 3, commit),
				data(1, 4, transactional, 4), marker(1, 5, abort),
			},
			aborted: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 4}, {ProducerID: 1, FirstOffset: 0}},
			want:    []int64{2}, next: 6, skipped: 5,
		},
		// Compaction took all records of the aborted transaction that began at 0. Its marker at 2 ends it.
		"an aborted transaction without records, then a committed one": {
			from:    0,
			batches: []protocol.RecordReader{marker(1, 2, abort), data(1, 3, transactional, 3), marker(1, 4, commit)},
			aborted: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 0}},
			want:    []int64{3}, next: 5, skipped: 2,
		},
		"from the middle of an aborted transaction": {
			from:    2,
			batches: []protocol.RecordReader{data(1, 1, transactional, 1, 2), marker(1, 3, abort), data(1, 4, transactional, 4)},
			aborted: []fetch.ResponseTransaction{{ProducerID: 1, FirstOffset: 0}},
			want:    []int64{4}, next: 5, skipped: 2,
		},
		"a message set of an old broker": {
			from: 1,
			batches: []protocol.RecordReader{&protocol.MessageSet{BaseOffset: 0, Records: protocol.NewRecordReader(
				protocol.Record{Offset: 0}, protocol.Record{Offset: 1})}},
			want: []int64{1}, next: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := &fetch.ResponsePartition{LogStartOffset: 0, LastStableOffset: 100, AbortedTransactions: test.aborted}
			if test.batches != nil {
				p.RecordSet.Records = &protocol.RecordStream{Records: test.batches}
			}
			b, err := readPartition(consumer.TopicPartition{Topic: "t"}, test.from, p)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range b.Records {
				got = append(got, r.Offset)
			}
			if !slices.Equal(got, test.want) || b.Next != test.next || b.Skipped != test.skipped || b.End != 100 {
				t.Errorf("got %v, next %d, %d skipped, end %d; want %v, next %d, %d skipped, end 100",
					got, b.Next, b.Skipped, b.End, test.want, test.next, test.skipped)
			}
		})
	}
}

func TestReadPartitionRefusesAnUnreadableMarker(t *testing.T) {
	broken := &protocol.ControlBatch{BaseOffset: 3, Records: protocol.NewRecordReader(protocol.Record{Offset: 3, Key: protocol.NewBytes([]byte("x"))})}
	p := &fetch.ResponsePartition{}
	p.RecordSet.Records = &protocol.RecordStream{Records: []protocol.RecordReader{broken}}
	if _, err := readPartition(consumer.TopicPartition{Topic: "t"}, 0, p); err == nil {
		t.Error("no error: an abort that cannot be read would deliver what was aborted")
	}
}
