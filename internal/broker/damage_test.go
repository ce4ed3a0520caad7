package broker

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// rawBatch is a batch of one record as it is on the wire.
func rawBatch(value string) []byte {
	r := kmsg.Record{Key: []byte("k"), Value: []byte(value)}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // its own varint is one byte
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: 1, Records: r.AppendTo(nil),
	}
	text := b.AppendTo(nil)
	binary.BigEndian.PutUint32(text[8:], uint32(len(text)-12))
	binary.BigEndian.PutUint32(text[17:], crc32.Checksum(text[21:], crc32.MakeTable(crc32.Castagnoli)))
	return text
}

// A batch that was damaged on its way is an error, and no record of it comes through.
func TestFetchOfADamagedBatch(t *testing.T) {
	t.Parallel()
	damaged := rawBatch("value")
	damaged[len(damaged)-3] ^= 1
	for name, test := range map[string]struct {
		batch []byte
		ok    bool
	}{"whole": {rawBatch("value"), true}, "damaged": {damaged, false}} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"), kfake.SyntheticFetch(kfake.SyntheticBatch{Batch: test.batch}))
		if err != nil {
			t.Fatal(err)
		}
		defer cluster.Close()
		b, err := newClientTo(t, cluster.ListenAddrs()[0]).Fetch(t.Context(), consumer.TopicPartition{Topic: "t"}, 7)
		if (err == nil) != test.ok || test.ok && (len(b.Records) == 0 || string(b.Records[0].Value) != "value" || b.Records[0].Offset != 7) {
			t.Errorf("%s: %d records, %v", name, len(b.Records), err)
		}
		if errors.Is(err, consumer.ErrOffsetOutOfRange) || len(b.Records) > 0 && !test.ok {
			t.Errorf("%s: %d records, %v", name, len(b.Records), err)
		}
	}
}

// Reads and writes follow a leader that moves, once the client has a new picture of the cluster.
func TestTheLeaderMoves(t *testing.T) {
	t.Parallel()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	c := newClientTo(t, cluster.ListenAddrs()[0])
	w := newWriter(t, c)
	tp := consumer.TopicPartition{Topic: "t"}
	if n, err := c.Brokers(t.Context()); n != 3 || err != nil {
		t.Errorf("%d brokers, %v", n, err)
	}
	for node := range int32(3) {
		if err := cluster.MoveTopicPartition("t", 0, node); err != nil {
			t.Fatal(err)
		}
		until(t, "a write goes through", func() error { return w.Write(t.Context(), "t", 0, event.Record{Value: []byte("v")}) })
		until(t, "a fetch goes through", func() error {
			b, err := c.Fetch(t.Context(), tp, int64(node))
			if err == nil && len(b.Records) == 0 {
				err = errors.New("no record")
			}
			return err
		})
		if end := endOf(t, c, tp); end < int64(node)+1 {
			t.Errorf("the log ends at %d", end)
		}
	}
}
