package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/event"
)

const (
	// MaxWriteBytes is how large a record may be with all that goes round it. kafka-go's default of 1 MiB lets records
	// pass that the broker refuses, which counts the whole batch, and then refuses all of the batch.
	MaxWriteBytes = 1_048_500

	// lookupAttempts is for writes that fail at once because the cluster was never seen: kafka-go does not repeat those.
	lookupAttempts = 3
	lookupWait     = 250 * time.Millisecond
)

// ByKey lets the record's key choose the partition, the same one as the Java client. A record without a key goes to any.
const ByKey = -1

var (
	// ErrTooLarge says that a record is larger than the writer or the topic takes. Repeating it is no use.
	ErrTooLarge = errors.New("record too large")
	// ErrNoPartition says that the topic has no partition of that number.
	ErrNoPartition = errors.New("no such partition")
)

// Writer writes records that all in-sync replicas have acknowledged. Records of callers that write at the same time go
// out together. It is safe for concurrent use.
//
// It is not idempotent: a write whose reply did not come may be in the log, and stand there twice when it is repeated. Each
// record carries what its readers need to see that.
//
// It does not use kafka-go's Writer, which goes on with a record when its caller has given up, in a queue without bound:
// while a broker held 20 letters back for 100 s, their callers tried again each 11 s and each letter was in the log 18
// times. Here a record is pending for as long as its caller waits, and no longer.
type Writer struct {
	c      *Client
	conns  *connections // its own, so that Close need not wait for a broker that hangs
	round  *kafka.Transport
	client *kafka.Client
	byKey  kafka.Murmur2Balancer

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	senders sync.WaitGroup

	mu     sync.Mutex
	boxes  map[target]*outbox
	closed bool
}

// NewWriter makes a writer. It does not connect.
func (c *Client) NewWriter() *Writer {
	w := &Writer{c: c, conns: newConnections(c.conns.Dial), boxes: map[target]*outbox{}}
	w.round = c.newTransport()
	w.round.Dial = w.conns.Dial
	w.client = c.newClient(w.round)
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

// Outgoing is a record to write: Key, Value, Headers and Time of the record count, a zero Time is now.
type Outgoing struct {
	Topic     string
	Partition int // or ByKey
	Record    event.Record
}

// Write writes one record and returns when all in-sync replicas have it. It tries for some seconds; the caller decides
// whether to go on. When ctx ends, a record that waits for its turn is not written any more. One that is under way may be,
// so its reply is awaited, for at most the time that one request has: nobody can write it again while it is pending.
func (w *Writer) Write(ctx context.Context, topic string, partition int, rec event.Record) error {
	errs := w.WriteAll(ctx, []Outgoing{{Topic: topic, Partition: partition, Record: rec}})
	if errs == nil {
		return nil
	}
	return errs[0]
}

// WriteAll writes records, those of a partition in their order, and returns when all in-sync replicas have them. The
// errors stand at the places of their records; nil means that all went well. For ctx see Write.
func (w *Writer) WriteAll(ctx context.Context, out []Outgoing) []error {
	r := writeResult{c: w.c, out: out}
	c := &call{ended: make(chan struct{})}
	all := make([]*pending, len(out)) // nil where the check failed
	topics := topicPartitions{}
	for i := range out {
		partition, err := w.check(ctx, &out[i], topics)
		if err != nil {
			r.fail(i, err)
			continue
		}
		all[i] = newPending(&out[i], partition, c)
	}
	if w.enqueue(c, all) {
		select {
		case <-c.ended:
		case <-ctx.Done():
			w.giveUp(c, ctx.Err())
			<-c.ended
		}
	}
	for i, p := range all {
		if p != nil && p.err != nil {
			r.fail(i, p.err)
		}
	}
	return r.errs
}

// Partitions returns how many partitions a topic has, as of at most MetadataTTL ago.
func (w *Writer) Partitions(ctx context.Context, topic string) (int, error) {
	n, err := w.partitions(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("partitions of %s: %w", topic, w.c.explain(err))
	}
	return n, nil
}

func (w *Writer) partitions(ctx context.Context, topic string) (int, error) {
	for attempt := 1; ; attempt++ {
		r, err := w.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
		if err == nil {
			why := r.Topics[0].Error
			if errors.Is(why, kafka.UnknownTopicOrPartition) || errors.Is(why, kafka.InvalidTopic) { // of a name such as a/b there can be none
				return 0, &MissingTopicsError{Topics: []string{topic}}
			}
			return len(r.Topics[0].Partitions), why
		}
		if attempt == lookupAttempts {
			return 0, err
		}
		timer := time.NewTimer(lookupWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		}
	}
}

// Close cuts the connections. Writes fail, those in flight too.
func (w *Writer) Close() {
	w.mu.Lock()
	w.closed = true
	for _, b := range w.boxes {
		b.empty(net.ErrClosed)
	}
	w.mu.Unlock()
	w.cancel()
	w.conns.Close()
	w.senders.Wait()
	w.round.CloseIdleConnections()
}

// topicPartitions are the numbers of the partitions of the topics of one WriteAll, or why they are not known.
type topicPartitions map[string]struct {
	numbers []int
	err     error
}

// check refuses what cannot be written, and chooses the partition.
func (w *Writer) check(ctx context.Context, o *Outgoing, topics topicPartitions) (partition int, err error) {
	if size := wireSize(&o.Record); size > MaxWriteBytes {
		return 0, fmt.Errorf("%w: %d bytes with all that goes round it, the limit is %d", ErrTooLarge, size, MaxWriteBytes)
	}
	t, ok := topics[o.Topic]
	if !ok {
		var n int
		n, t.err = w.partitions(ctx, o.Topic)
		for p := range n {
			t.numbers = append(t.numbers, p)
		}
		topics[o.Topic] = t
	}
	switch {
	case t.err != nil:
		return 0, t.err
	case o.Partition == ByKey:
		return w.byKey.Balance(kafka.Message{Key: o.Record.Key}, t.numbers...), nil
	case o.Partition >= len(t.numbers):
		return 0, fmt.Errorf("%w: %d of %d", ErrNoPartition, o.Partition, len(t.numbers))
	default:
		return o.Partition, nil
	}
}

// wireSize is at least the size of the batch that holds the record alone.
func wireSize(r *event.Record) int {
	const batch, record, header = 61, 5 + 1 + 10 + 5 + 5 + 5 + 5, 5 + 5
	return batch + record + r.Size() + header*len(r.Headers)
}

// writeResult collects the errors of one WriteAll.
type writeResult struct {
	c    *Client
	out  []Outgoing
	errs []error
}

func (r *writeResult) fail(i int, err error) {
	if r.errs == nil {
		r.errs = make([]error, len(r.out))
	}
	err = r.c.explain(err)
	o := &r.out[i]
	if o.Partition == ByKey {
		r.errs[i] = fmt.Errorf("write to %s: %w", o.Topic, err)
		return
	}
	r.errs[i] = fmt.Errorf("write to %s/%d: %w", o.Topic, o.Partition, err)
}
