package broker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"

	"github.com/toprelay/worker/internal/consumer"
)

const (
	readCommitted = 1

	// oldestFetch is the first version of Fetch that tells aborted transactions: Kafka 0.11.
	oldestFetch = 4

	// maxReply bounds a reply, in bytes. A request to a broker, and so a batch, has at most 100 MiB by default.
	maxReply = 512 << 20

	// keptReply bounds the buffers that are kept for the next fetch.
	keptReply = 4 << 20
)

// exchange is a fetch of one partition whose reply this package reads by itself, over a connection of kafka-go.
//
// kafka-go's decoder takes 64 KiB of memory for each batch, and keeps all batches of a reply at once. Publishers that
// send one event at a time write batches of one record: a fetch of 1 MiB of those took 193 MiB, and takes 3 MiB here.
// The decoder also does not tell the last offset of a batch, so that a gap at its end is stepped over offset by offset,
// and it takes a batch whose records cannot be read to their end for a shorter one.
type exchange struct {
	fetch.Request // what is asked, and for Broker: who is asked
	tp            consumer.TopicPartition
	offset        int64
	clientID      string
	version       int16
}

// Hooks of kafka-go's connection.
var (
	_ protocol.BrokerMessage   = (*exchange)(nil)
	_ protocol.PreparedMessage = (*exchange)(nil)
	_ protocol.RawExchanger    = (*exchange)(nil)
)

func newExchange(tp consumer.TopicPartition, offset int64, clientID string) *exchange {
	return &exchange{tp: tp, offset: offset, clientID: clientID, Request: fetch.Request{
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
	}}
}

// answer is what a fetch brought, or why the broker or the log has nothing to bring. Errors of the connection are not
// here: they end it.
type answer struct {
	batch consumer.Batch
	err   error
}

func (*answer) ApiKey() protocol.ApiKey { return protocol.Fetch } //nolint:revive // kafka-go's interface has this name

// Prepare is told the version that kafka-go and the broker have agreed upon, 11 at most.
func (x *exchange) Prepare(version int16) { x.version = version }

func (x *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// replies are buffers for replies. Records are copied out of them.
var replies = sync.Pool{New: func() any { return new([]byte) }}

// RawExchange writes the request and reads the reply. The connection has one request at a time, and the deadline of the
// fetch's context.
func (x *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if x.version < oldestFetch {
		return nil, fmt.Errorf("the broker's version of Fetch is %d: Kafka 0.11 or newer is needed", x.version)
	}
	const correlation = 1
	if err := protocol.WriteRequest(rw, x.version, correlation, x.clientID, &x.Request); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, unexpected(err)
	}
	size := int64(int32(binary.BigEndian.Uint32(head[:]))) - 4
	if size < 0 || size > maxReply {
		return nil, fmt.Errorf("the reply says that it has %d bytes", size)
	}
	if id := binary.BigEndian.Uint32(head[4:]); id != correlation {
		return nil, fmt.Errorf("the reply is to request %d, not to %d", id, correlation)
	}
	buffer := replies.Get().(*[]byte)
	if int64(cap(*buffer)) < size {
		*buffer = make([]byte, size)
	}
	body := (*buffer)[:size]
	if _, err := io.ReadFull(rw, body); err != nil {
		return nil, unexpected(err)
	}
	batch, err := x.read(body)
	if cap(*buffer) <= keptReply {
		replies.Put(buffer)
	}
	return &answer{batch, err}, nil
}

// unexpected makes an end in the middle what it is; a plain io.EOF reads as if all were well.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// read takes the answer about the one partition out of the body of a reply.
func (x *exchange) read(body []byte) (consumer.Batch, error) {
	r := wire{rest: body}
	r.int32() // throttle time
	if x.version >= 7 {
		if code := r.int16(); code != 0 {
			return consumer.Batch{}, kafka.Error(code)
		}
		r.int32() // session
	}
	topics, name, partitions, partition := r.int32(), r.text(int(r.int16())), r.int32(), r.int32()
	if r.failed || topics != 1 || partitions != 1 || string(name) != x.tp.Topic || int(partition) != x.tp.Partition {
		return consumer.Batch{}, errors.New("the reply is not about the one partition that was asked for")
	}
	if code := r.int16(); code != 0 {
		return consumer.Batch{}, kafka.Error(code)
	}
	b := consumer.Batch{Next: x.offset}
	r.int64() // high watermark
	b.End = r.int64()
	if x.version >= 5 {
		r.int64() // start of the log
	}
	var aborted []transaction
	for range r.int32() { // -1 and 0: none
		aborted = append(aborted, transaction{producer: r.int64(), first: r.int64()})
		if r.failed {
			break
		}
	}
	if x.version >= 11 {
		r.int32() // replica to prefer
	}
	log := r.text(int(r.int32()))
	if r.failed {
		return consumer.Batch{}, errors.New("the reply ends too early")
	}
	if err := readLog(log, x.tp, x.offset, aborted, &b); err != nil {
		return consumer.Batch{}, err
	}
	return b, nil
}
