package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"github.com/toprelay/worker/internal/event"
)

const (
	// MaxWriteBytes is how large a record may be with all that goes round it. kafka-go's default of 1 MiB lets records
	// pass that the broker refuses, which counts the whole batch, and then refuses all of the batch.
	MaxWriteBytes = 1_048_500

	writeLinger   = 5 * time.Millisecond // how long a batch waits for more records
	writeBatch    = 2000                 // records
	writeAttempts = 4                    // with waits of 0.1 to 1 s between them

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
// It is not idempotent: kafka-go repeats a write whose reply did not come, so a record may be in the log twice, and
// after an error it may be there too. Each record carries what its readers need to see that.
type Writer struct {
	c     *Client
	conns *connections // its own, so that Close need not wait for a broker that hangs
	round *kafka.Transport
	batch *kafka.Writer

	alone    sync.Mutex // one caller at a time uses isolate
	isolate  *kafka.Writer
	maxBytes int
}

// NewWriter makes a writer. It does not connect.
func (c *Client) NewWriter() *Writer {
	w := &Writer{c: c, conns: newConnections(c.conns.Dial), maxBytes: MaxWriteBytes}
	w.round = c.newTransport()
	w.round.Dial = w.conns.Dial
	w.batch, w.isolate = w.newWriter(), w.newWriter()
	return w
}

func (w *Writer) newWriter() *kafka.Writer {
	return &kafka.Writer{
		Addr:            w.c.addr,
		Transport:       w.round,
		Balancer:        &balancer{},
		RequiredAcks:    kafka.RequireAll, // the default is none
		BatchTimeout:    writeLinger,      // the default is 1 s
		BatchSize:       writeBatch,
		BatchBytes:      int64(w.maxBytes),
		MaxAttempts:     writeAttempts,
		WriteBackoffMin: 100 * time.Millisecond,
		WriteBackoffMax: time.Second,
		ReadTimeout:     w.c.cfg.RequestTimeout,
		WriteTimeout:    w.c.cfg.RequestTimeout,
	}
}

// Outgoing is a record to write: Key, Value, Headers and Time of the record count, a zero Time is now.
type Outgoing struct {
	Topic     string
	Partition int // or ByKey
	Record    event.Record
}

// Write writes one record and returns when all in-sync replicas have it. It tries for some seconds; the caller decides
// whether to go on. When ctx ends first, the record may still be written.
func (w *Writer) Write(ctx context.Context, topic string, partition int, rec event.Record) error {
	errs := w.WriteAll(ctx, []Outgoing{{Topic: topic, Partition: partition, Record: rec}})
	if errs == nil {
		return nil
	}
	return errs[0]
}

// WriteAll writes records, those of a partition in their order, and returns when all in-sync replicas have them. The
// errors stand at the places of their records; nil means that all went well.
func (w *Writer) WriteAll(ctx context.Context, out []Outgoing) []error {
	r := writeResult{c: w.c, out: out}
	messages := make([]kafka.Message, 0, len(out))
	places := make([]int, 0, len(out)) // of the messages in out
	counts := partitionCounts{}
	for i := range out {
		if err := w.check(ctx, &out[i], counts); err != nil {
			r.fail(i, err)
			continue
		}
		messages = append(messages, message(&out[i]))
		places = append(places, i)
	}
	failed := w.send(ctx, w.batch, messages, places, &r)
	if len(failed) > 0 {
		w.alone.Lock()
		defer w.alone.Unlock()
		w.sendApart(ctx, failed, &r)
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
	client := w.c.newClient(w.round)
	for attempt := 1; ; attempt++ {
		r, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{topic}})
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

// Close cuts the connections. Writes in flight fail.
func (w *Writer) Close() {
	w.conns.Close()
	w.batch.Close()
	w.isolate.Close()
	w.round.CloseIdleConnections()
}

// partitionCounts are the answers of Partitions in one WriteAll, by topic.
type partitionCounts map[string]struct {
	n   int
	err error
}

func (w *Writer) check(ctx context.Context, o *Outgoing, counts partitionCounts) error {
	if size := wireSize(&o.Record); size > w.maxBytes {
		return fmt.Errorf("%w: %d bytes with all that goes round it, the limit is %d", ErrTooLarge, size, w.maxBytes)
	}
	count, ok := counts[o.Topic]
	if !ok {
		count.n, count.err = w.partitions(ctx, o.Topic)
		counts[o.Topic] = count
	}
	if count.err == nil && o.Partition >= count.n {
		return fmt.Errorf("%w: %d of %d", ErrNoPartition, o.Partition, count.n)
	}
	return count.err
}

// message keeps absent and empty apart: on the way out kafka-go does so too, for key, value and header values.
func message(o *Outgoing) kafka.Message {
	m := kafka.Message{Topic: o.Topic, Key: o.Record.Key, Value: o.Record.Value, Time: o.Record.Time}
	if len(o.Record.Headers) > 0 {
		m.Headers = make([]protocol.Header, len(o.Record.Headers))
		for i, h := range o.Record.Headers {
			m.Headers[i] = protocol.Header(h)
		}
	}
	if o.Partition != ByKey {
		m.WriterData = o.Partition // Message.Partition must not be set
	}
	return m
}

// wireSize is at least the size of the batch that holds the record alone.
func wireSize(r *event.Record) int {
	const batch, record, header = 61, 5 + 1 + 10 + 5 + 5 + 5 + 5, 5 + 5
	return batch + record + r.Size() + header*len(r.Headers)
}

// balancer gives the partition that was asked for, or the Java client's choice.
type balancer struct{ byKey kafka.Murmur2Balancer }

func (b *balancer) Balance(m kafka.Message, partitions ...int) int {
	if p, ok := m.WriterData.(int); ok {
		return p
	}
	return b.byKey.Balance(m, partitions...)
}
