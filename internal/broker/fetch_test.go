package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

func TestFetchKeepsAbsentAndEmptyApart(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	produce(t, brokerAddr,
		&kgo.Record{Topic: topic},
		&kgo.Record{Topic: topic, Key: []byte{}, Value: []byte{}},
		&kgo.Record{Topic: topic, Key: []byte("k"), Value: nil},
		&kgo.Record{Topic: topic, Key: []byte{}, Value: []byte("v")},
		&kgo.Record{Topic: topic, Key: []byte("k"), Value: []byte{0, 0xff}, Timestamp: at, Headers: []kgo.RecordHeader{
			{Key: "absent"}, {Key: "empty", Value: []byte{}}, {Key: "", Value: []byte("no name")},
			{Key: "twice", Value: []byte("1")}, {Key: "twice", Value: []byte{0xff, 0}},
		}},
	)
	c := newClient(t)
	records, _ := readUntil(t, c, consumer.TopicPartition{Topic: topic}, 0, 5)
	var got []string
	for _, r := range records {
		s := fmt.Sprintf("%d %s %s", r.Offset, describe(r.Key), describe(r.Value))
		for _, h := range r.Headers {
			s += fmt.Sprintf(" %s=%s", h.Key, describe(h.Value))
		}
		got = append(got, s)
	}
	want := []string{
		`0 nil nil`, `1 "" ""`, `2 "k" nil`, `3 "" "v"`,
		`4 "k" "\x00\xff" absent=nil empty="" ="no name" twice="1" twice="\xff\x00"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	last := records[len(records)-1]
	if !last.Time.Equal(at) || last.Topic != topic || last.Partition != 0 {
		t.Errorf("got %s/%d at %v, want %s/0 at %v", last.Topic, last.Partition, last.Time, topic, at)
	}
}

// Commit and abort markers take offsets too: n2 c3 a2 n1 a3 c2 a2 are 0-1, 2-4 (5), 6-7 (8), 9, 10-12 (13), 14-15 (16),
// 17-18 (19).
func TestFetchReadsCommittedTransactions(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	tp := consumer.TopicPartition{Topic: topic}
	tx := newKgo(t, brokerAddr, kgo.TransactionalID(topic))
	plain := newKgo(t, brokerAddr)
	c := newClient(t)
	n, markers := 0, 0
	write := func(k *kgo.Client, count int) {
		for range count {
			if err := k.ProduceSync(t.Context(), numbered(topic, 0, n, 1)...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	for _, step := range []struct {
		kind  byte
		count int
	}{{'n', 2}, {'c', 3}, {'a', 2}, {'n', 1}, {'a', 3}, {'c', 2}, {'a', 2}} {
		if step.kind == 'n' {
			write(plain, step.count)
			continue
		}
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		write(tx, step.count)
		if err := tx.EndTransaction(t.Context(), kgo.TransactionEndTry(step.kind == 'c')); err != nil {
			t.Fatal(err)
		}
		markers++
		until(t, "the marker is in the log", func() error { // a real broker writes it after its answer
			if end := endOf(t, c, tp); end != int64(n+markers) {
				return fmt.Errorf("the log ends at %d", end)
			}
			return nil
		})
	}
	committed := []int64{0, 1, 2, 3, 4, 9, 14, 15}
	for from := range int64(20) {
		records, skipped := readUntil(t, c, tp, from, 20)
		var got []int64
		for _, r := range records {
			got = append(got, r.Offset)
		}
		want := committed[slices.IndexFunc(append(committed, 20), func(o int64) bool { return o >= from }):]
		if !slices.Equal(got, want) {
			t.Errorf("from %d: got offsets %v, want %v", from, got, want)
		}
		if all := len(got) + skipped; int64(all) != 20-from {
			t.Errorf("from %d: %d records and %d skipped, want %d together", from, len(got), skipped, 20-from)
		}
	}
}

func TestFetchStopsAtAnOpenTransaction(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	tp := consumer.TopicPartition{Topic: topic}
	produce(t, brokerAddr, numbered(topic, 0, 0, 1)...)
	tx := newKgo(t, brokerAddr, kgo.TransactionalID(topic))
	if err := tx.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := tx.ProduceSync(t.Context(), numbered(topic, 0, 1, 2)...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	produce(t, brokerAddr, numbered(topic, 0, 3, 1)...)
	c := newClient(t)
	b, err := c.Fetch(t.Context(), tp, 0)
	if err != nil || len(b.Records) != 1 || b.Next != 1 || b.End != 1 {
		t.Fatalf("open transaction: %d records, next %d, end %d, %v; want 1, 1, 1", len(b.Records), b.Next, b.End, err)
	}
	began := time.Now()
	b, err = c.Fetch(t.Context(), tp, 1)
	if err != nil || len(b.Records) != 0 || b.Next != 1 {
		t.Fatalf("behind the end: %d records, next %d, %v; want none, 1", len(b.Records), b.Next, err)
	}
	if waited := time.Since(began); waited < fetchWait/2 {
		t.Errorf("an empty fetch came back after %v: a loop of them would be hot", waited)
	}
	if err := tx.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if records, _ := readUntil(t, c, tp, 1, 5); len(records) != 3 {
		t.Errorf("after the commit: %d records, want 3", len(records))
	}
}

func TestFetchOutsideTheLog(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	tp := consumer.TopicPartition{Topic: topic}
	produce(t, brokerAddr, numbered(topic, 0, 0, 10)...)
	deleteRecords(t, brokerAddr, topic, 0, 4)
	c := newClient(t)
	for _, offset := range []int64{-5, 0, 3, 11, 500} {
		_, err := c.Fetch(t.Context(), tp, offset)
		var outside *consumer.RangeError
		if !errors.Is(err, consumer.ErrOffsetOutOfRange) || !errors.As(err, &outside) {
			t.Errorf("from %d: got error %v, want one that is ErrOffsetOutOfRange", offset, err)
			continue
		}
		if outside.LogStart != 4 || outside.End != 10 || outside.Offset != offset {
			t.Errorf("from %d: got %+v, want the log 4 to 10", offset, outside)
		}
		if want := fmt.Sprintf("from offset %d: offset out of range: the log holds 4 to 10", offset); !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want it to say %q", err, want)
		}
	}
	b, err := c.Fetch(t.Context(), tp, 4)
	if err != nil || len(b.Records) == 0 || b.Records[0].Offset != 4 {
		t.Errorf("from the start: %v, %+v", err, b)
	}
	if b, err := c.Fetch(t.Context(), tp, 10); err != nil || b.Next != 10 || len(b.Records) != 0 {
		t.Errorf("from the end: %v, next %d, %d records; want no error, 10, none", err, b.Next, len(b.Records))
	}
}

func TestFetchOfAMissingTopicMayPass(t *testing.T) {
	t.Parallel()
	c := newClient(t)
	_, err := c.Fetch(t.Context(), consumer.TopicPartition{Topic: newName(t)}, 0)
	if err == nil || errors.Is(err, consumer.ErrOffsetOutOfRange) {
		t.Fatalf("got %v, want an error that may pass", err)
	}
	// A topic that is younger than the client's picture of the cluster becomes known by itself.
	topic := newTopic(t, 1)
	produce(t, brokerAddr, numbered(topic, 0, 0, 1)...)
	until(t, "the client knows the topic", func() error {
		_, err := c.Fetch(t.Context(), consumer.TopicPartition{Topic: topic}, 0)
		return err
	})
}

func TestFetchBringsRecordsLargerThanItAsksFor(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1, "max.message.bytes=20000000")
	tp := consumer.TopicPartition{Topic: topic}
	large := bytes.Repeat([]byte("0123456789"), 1<<20)
	k := newKgo(t, brokerAddr, kgo.ProducerBatchMaxBytes(20_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for _, v := range [][]byte{[]byte("before"), large, []byte("after")} {
		if err := k.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: v}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	records, _ := readUntil(t, newClient(t), tp, 0, 3)
	if len(records) != 3 || !bytes.Equal(records[1].Value, large) || string(records[2].Value) != "after" {
		t.Errorf("got %d records, want before, 10 MiB, after", len(records))
	}
}

func TestFetchOfCompressedBatches(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			topic := newTopic(t, 1)
			k := newKgo(t, brokerAddr, kgo.ProducerBatchCompression(codec), kgo.ProducerLinger(50*time.Millisecond))
			var in []*kgo.Record
			for i := range 120 {
				in = append(in, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: bytes.Repeat(fmt.Appendf(nil, "%d ", i), 200)})
			}
			if err := k.ProduceSync(t.Context(), in...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			for _, from := range []int64{0, 27, 119} { // the middle of a batch, and its last record
				records, _ := readUntil(t, newClient(t), consumer.TopicPartition{Topic: topic}, from, 120)
				if int64(len(records)) != 120-from {
					t.Fatalf("from %d: %d records, want %d", from, len(records), 120-from)
				}
				for i, r := range records {
					w := in[int(from)+i]
					if r.Offset != from+int64(i) || !bytes.Equal(r.Key, w.Key) || !bytes.Equal(r.Value, w.Value) {
						t.Fatalf("from %d: record %d is not what was written", from, r.Offset)
					}
				}
			}
		})
	}
}

// A record that waits long for its call must not keep the bytes of its neighbours: key and value are of its own size.
func TestFetchedBytesAreTheRecordsOwn(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	produce(t, brokerAddr, &kgo.Record{Topic: topic, Key: []byte("key"), Value: []byte("value")})
	records, _ := readUntil(t, newClient(t), consumer.TopicPartition{Topic: topic}, 0, 1)
	if k, v := cap(records[0].Key), cap(records[0].Value); k != 3 || v != 5 {
		t.Errorf("capacities %d and %d, want 3 and 5", k, v)
	}
}

// Fetches that wait for records take a connection each; a write does not wait behind them.
func TestWritesDoNotWaitBehindFetches(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 6)
	c := newClient(t)
	ctx, cancel := context.WithCancel(t.Context())
	var fetches sync.WaitGroup
	defer fetches.Wait()
	defer cancel()
	started := make(chan struct{}, 5)
	for p := range 5 {
		fetches.Go(func() {
			started <- struct{}{}
			for ctx.Err() == nil {
				_, _ = c.Fetch(ctx, consumer.TopicPartition{Topic: topic, Partition: p}, 0)
			}
		})
	}
	for range 5 {
		<-started
	}
	w := c.NewWriter()
	defer w.Close()
	var took []time.Duration
	for range 21 {
		began := time.Now()
		if err := w.Write(t.Context(), topic, 5, event.Record{Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Spans(t.Context(), consumer.TopicPartition{Topic: topic, Partition: 5}); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median >= fetchWait/2 {
		t.Errorf("a write took %v with fetches that wait up to %v", median, fetchWait)
	}
	if _, dials := c.conns.count(); dials > 30 {
		t.Errorf("%d dials for 5 fetches, a writer and some questions", dials)
	}
}

// A broker that takes connections and says nothing must not hold a fetch for ever.
func TestFetchFromABrokerThatHangs(t *testing.T) {
	t.Parallel()
	c, err := NewClient(Config{Brokers: []string{"127.0.0.1:1"}, DialTimeout: 200 * time.Millisecond, RequestTimeout: 200 * time.Millisecond,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { theirs.Close() })
			return ours, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	within(t, 10*time.Second, "a fetch", func(ctx context.Context) {
		if _, err := c.Fetch(ctx, consumer.TopicPartition{Topic: "t"}, 0); err == nil {
			t.Error("no error")
		}
	})
}
