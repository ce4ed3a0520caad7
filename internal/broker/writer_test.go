package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/toprelay/worker/internal/event"
)

func newWriter(t *testing.T, c *Client) *Writer {
	t.Helper()
	w := c.NewWriter()
	t.Cleanup(w.Close)
	return w
}

// readBack reads n records with kgo, by partition.
func readBack(t *testing.T, addr, topic string, n int) map[int32][]*kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	k := newKgo(t, addr, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	got := map[int32][]*kgo.Record{}
	for n > 0 {
		fetches := k.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			t.Fatalf("%d records are missing: %v", n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			got[r.Partition] = append(got[r.Partition], r)
			n--
		})
	}
	return got
}

func firstOf(errs []error) error {
	return errs[slices.IndexFunc(errs, func(err error) bool { return err != nil })]
}

func TestWriteKeepsAbsentAndEmptyApart(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	w := newWriter(t, newClient(t))
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC)
	began := time.Now().Add(-time.Second)
	for _, r := range []event.Record{
		{}, {Key: []byte{}, Value: []byte{}}, {Key: []byte("k")}, {Value: []byte("v")},
		{Key: []byte("k"), Value: []byte{0, 0xff}, Time: at, Headers: []event.Header{
			{Key: "z"}, {Key: "empty", Value: []byte{}}, {Key: "", Value: []byte("no name")},
			{Key: "twice", Value: []byte("1")}, {Key: "twice", Value: []byte{0xff, 0}},
		}},
	} {
		if err := w.Write(t.Context(), topic, 0, r); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	records := readBack(t, brokerAddr, topic, 5)[0]
	for _, r := range records {
		s := describe(r.Key) + " " + describe(r.Value)
		for _, h := range r.Headers {
			s += fmt.Sprintf(" %s=%s", h.Key, describe(h.Value))
		}
		got = append(got, s)
	}
	want := []string{`nil nil`, `"" ""`, `"k" nil`, `nil "v"`, `"k" "\x00\xff" z=nil empty="" ="no name" twice="1" twice="\xff\x00"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !records[4].Timestamp.Equal(at) {
		t.Errorf("a record with a time has %v, want %v", records[4].Timestamp, at)
	}
	if now := records[0].Timestamp; now.Before(began) || now.After(time.Now().Add(time.Second)) {
		t.Errorf("a record without a time has %v, want now", now)
	}
}

func TestWriteChoosesThePartitionOfTheJavaClient(t *testing.T) {
	t.Parallel()
	keys := [][]byte{{}, []byte("a"), []byte("ab"), []byte("abc"), []byte("订单-123"), {0}, {0xff, 0x80, 0x7f, 0x81}}
	for i := range 150 {
		keys = append(keys, fmt.Appendf(nil, "order-%d", i*7919))
	}
	for _, n := range []int{1, 7, 12} {
		topic := newTopic(t, n)
		w := newWriter(t, newClient(t))
		java := kgo.StickyKeyPartitioner(nil).ForTopic(topic) // Kafka's murmur2
		var out []Outgoing
		for _, k := range keys {
			out = append(out, Outgoing{Topic: topic, Partition: ByKey, Record: event.Record{Key: k, Value: []byte("v")}})
		}
		if errs := w.WriteAll(t.Context(), out); errs != nil {
			t.Fatal(firstOf(errs))
		}
		for partition, records := range readBack(t, brokerAddr, topic, len(keys)) {
			for _, r := range records {
				if want := java.Partition(&kgo.Record{Key: r.Key}, n); int(partition) != want {
					t.Errorf("key %q of %d partitions: in %d, want %d", r.Key, n, partition, want)
				}
			}
		}
	}
}

func TestWriteToAPartition(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 5)
	w := newWriter(t, newClient(t))
	for p := range 5 {
		if err := w.Write(t.Context(), topic, p, event.Record{Key: []byte("same"), Value: fmt.Appendf(nil, "%d", p)}); err != nil {
			t.Fatal(err)
		}
	}
	for p, rs := range readBack(t, brokerAddr, topic, 5) {
		if len(rs) != 1 || string(rs[0].Value) != fmt.Sprint(p) {
			t.Errorf("partition %d holds %d records", p, len(rs))
		}
	}
	err := w.Write(t.Context(), topic, 5, event.Record{})
	if !errors.Is(err, ErrNoPartition) || !strings.Contains(err.Error(), topic+"/5") {
		t.Errorf("got %v, want ErrNoPartition with topic and partition", err)
	}
	if n, err := w.Partitions(t.Context(), topic); n != 5 || err != nil {
		t.Errorf("Partitions: %d, %v", n, err)
	}
}

func TestWriteToAMissingTopic(t *testing.T) {
	t.Parallel()
	w := newWriter(t, newClient(t))
	for _, missing := range []string{newName(t), "no/such"} { // the second one can never be there
		err := w.Write(t.Context(), missing, ByKey, event.Record{Key: []byte("k")})
		if !errors.Is(err, kafka.UnknownTopicOrPartition) || !strings.Contains(err.Error(), missing) {
			t.Errorf("got %v, want error 3 with the topic", err)
		}
		if _, err := w.Partitions(t.Context(), missing); !errors.Is(err, kafka.UnknownTopicOrPartition) {
			t.Errorf("Partitions: got %v, want error 3", err)
		}
	}
}

func TestWriteKeepsTheOrderOfAPartition(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 3)
	w := newWriter(t, newClient(t))
	const n, keys = 6000, 50
	var out []Outgoing
	for i := range n {
		out = append(out, Outgoing{Topic: topic, Partition: ByKey, Record: event.Record{Key: fmt.Appendf(nil, "k%d", i%keys), Value: fmt.Appendf(nil, "%06d", i)}})
	}
	if errs := w.WriteAll(t.Context(), out); errs != nil {
		t.Fatal(firstOf(errs))
	}
	for p, rs := range readBack(t, brokerAddr, topic, n) {
		for i := 1; i < len(rs); i++ {
			if bytes.Compare(rs[i-1].Value, rs[i].Value) >= 0 {
				t.Fatalf("partition %d: %s stands before %s", p, rs[i-1].Value, rs[i].Value)
			}
		}
	}
}

func TestARecordThatIsTooLargeFailsAlone(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1, "max.message.bytes=10000")
	w := newWriter(t, newClient(t))
	value := func(n int) event.Record { return event.Record{Key: []byte("k"), Value: bytes.Repeat([]byte("x"), n)} }

	// In one call: by the broker, and by the writer before it asks.
	sizes := []int{10, 20_000, 11, 2 << 20, 12, MaxWriteBytes - 100, 13}
	var out []Outgoing
	for _, n := range sizes {
		out = append(out, Outgoing{Topic: topic, Partition: 0, Record: value(n)})
	}
	errs := w.WriteAll(t.Context(), out)
	for i, n := range sizes {
		if tooLarge := errs != nil && errors.Is(errs[i], ErrTooLarge); tooLarge != (n > 10_000) {
			t.Errorf("%d bytes: got %v", n, errs[i])
		}
	}
	var got []int
	for _, r := range readBack(t, brokerAddr, topic, 4)[0] {
		got = append(got, len(r.Value))
	}
	if !slices.Equal(got, []int{10, 11, 12, 13}) {
		t.Errorf("the log holds %v, want 10 11 12 13, each once", got)
	}

	// In calls of their own, which share a batch.
	var calls sync.WaitGroup
	results := make([]error, 20)
	for i := range results {
		calls.Go(func() {
			n := 100
			if i == 7 {
				n = 20_000
			}
			results[i] = w.Write(t.Context(), topic, 0, value(n))
		})
	}
	calls.Wait()
	for i, err := range results {
		if errors.Is(err, ErrTooLarge) != (i == 7) || err != nil && i != 7 {
			t.Errorf("call %d: got %v", i, err)
		}
	}
}

// A topic whose limit is smaller than the writer's batches takes small records all the same.
func TestManySmallRecordsForATopicWithASmallLimit(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1, "max.message.bytes=5000")
	w := newWriter(t, newClient(t))
	var out []Outgoing
	for i := range 300 {
		out = append(out, Outgoing{Topic: topic, Partition: 0, Record: event.Record{Value: fmt.Appendf(nil, "%0100d", i)}})
	}
	if errs := w.WriteAll(t.Context(), out); errs != nil {
		t.Fatal(firstOf(errs))
	}
	for i, r := range readBack(t, brokerAddr, topic, 300)[0] {
		if string(r.Value) != string(out[i].Record.Value) {
			t.Fatalf("record %d is %s", i, r.Value)
		}
	}
}

// The limit is kept with what goes round a record: the largest one that is let through is taken by a broker with the
// default limit.
func TestTheLargestRecordIsTaken(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	w := newWriter(t, newClient(t))
	r := event.Record{Key: []byte("key"), Headers: []event.Header{{Key: "ce_id", Value: []byte("1")}}}
	r.Value = bytes.Repeat([]byte("x"), MaxWriteBytes-wireSize(&r))
	if err := w.Write(t.Context(), topic, 0, r); err != nil {
		t.Error(err)
	}
	r.Value = append(r.Value, 'x')
	if err := w.Write(t.Context(), topic, 0, r); !errors.Is(err, ErrTooLarge) {
		t.Errorf("one byte more: got %v, want ErrTooLarge", err)
	}
}

func TestWriteWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	w := newWriter(t, newClientTo(t, "127.0.0.1:1"))
	began := time.Now()
	err := w.Write(t.Context(), "t", ByKey, event.Record{})
	if err == nil || errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "write to t") {
		t.Errorf("got %v, want an error with the topic", err)
	}
	if took := time.Since(began); took < (lookupAttempts-1)*lookupWait {
		t.Errorf("it gave up after %v: a loop of them would be hot", took)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Write(ctx, "t", ByKey, event.Record{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: got %v", err)
	}
}
