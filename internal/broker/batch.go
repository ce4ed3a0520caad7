package broker

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

const (
	batchHeader = 61 // bytes of a batch before its records
	batchPrefix = 12 // of these, those that its length does not count
	batchMagic  = 16 // where the version of the format stands
	batchCRC    = 17 // where the checksum stands, of all that comes behind it

	attributeCompression   = 7
	attributeLogAppendTime = 1 << 3
	attributeTransactional = 1 << 4
	attributeControl       = 1 << 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// transaction is an aborted one, by its producer and the offset of its first record.
type transaction struct{ producer, first int64 }

// batchInfo is the head of a batch.
type batchInfo struct {
	base, last int64 // offsets; compaction takes records out of a batch and leaves these
	attributes int16
	first, max time.Time // of the first record as its producer said, and the latest; the time of writing where the topic says so
	producer   int64
	count      int // records
	records    []byte
}

// readLog takes the committed records from offset on out of batches, in log order, until there are maxRecords bytes of them.
//
// A broker leaves out nothing for a consumer in read_committed: it stops at the last stable offset, sends the aborted
// records with the others and a list of the aborted transactions, and markers, which are records of control batches.
// kafka-go's Reader delivers both.
func readLog(log []byte, tp consumer.TopicPartition, offset int64, aborted []transaction, out *consumer.Batch) error {
	slices.SortFunc(aborted, func(a, b transaction) int { return cmp.Compare(a.first, b.first) })
	r := logReader{tp: tp, from: offset, aborted: aborted, open: map[int64]bool{}, out: out}
	whole := 0
	for len(log) >= batchPrefix && !r.full {
		size := batchPrefix + int64(int32(binary.BigEndian.Uint32(log[8:])))
		if size < batchHeader {
			return fmt.Errorf("batch at offset %d: it says that it has %d bytes", int64(binary.BigEndian.Uint64(log)), size)
		}
		if size > int64(len(log)) {
			break // cut off where the reply was full
		}
		b, err := readHead(log[:size])
		if err == nil {
			err = r.batch(&b)
		}
		if err != nil {
			return fmt.Errorf("batch at offset %d: %w", int64(binary.BigEndian.Uint64(log)), err)
		}
		log = log[size:]
		whole++
	}
	if whole == 0 && len(log) > 0 {
		return errors.New("the reply holds no whole batch")
	}
	if whole > 0 && out.Next <= offset {
		return errors.New("the reply ends before the offset that was asked for")
	}
	return nil
}

func readHead(b []byte) (batchInfo, error) {
	if magic := b[batchMagic]; magic != 2 {
		return batchInfo{}, fmt.Errorf("format %d is not supported: it is older than Kafka 0.11, or newer than this program", magic)
	}
	w := wire{rest: b[batchCRC:]}
	if sum := uint32(w.int32()); sum != crc32.Checksum(w.rest, castagnoli) {
		return batchInfo{}, errors.New("damaged: the checksum is wrong")
	}
	h := batchInfo{base: int64(binary.BigEndian.Uint64(b))}
	h.attributes = w.int16()
	h.last = h.base + int64(w.int32())
	h.first, h.max = time.UnixMilli(w.int64()), time.UnixMilli(w.int64())
	h.producer = w.int64()
	w.int16() // producer epoch
	w.int32() // base sequence
	h.count = int(w.int32())
	h.records = w.rest
	if h.last < h.base || h.count < 0 {
		return batchInfo{}, errors.New("damaged: it has a negative number of records")
	}
	return h, nil
}

// logReader reads the batches of one reply.
type logReader struct {
	tp      consumer.TopicPartition
	from    int64
	aborted []transaction  // not yet begun at this point of the log, by first offset
	open    map[int64]bool // producers whose transaction, at this point of the log, will be aborted
	before  []event.Header // of the record before, which mostly has the same names
	texts   texts
	held    int  // bytes of the records so far
	full    bool // so many that the rest is left for the next fetch
	out     *consumer.Batch
}

func (r *logReader) batch(b *batchInfo) error {
	// A control batch opens transactions too. Where compaction has taken all records of an aborted one, its marker is
	// what ends it: left open it would swallow the producer's next transaction.
	for len(r.aborted) > 0 && r.aborted[0].first <= b.last {
		r.open[r.aborted[0].producer] = true
		r.aborted = r.aborted[1:]
	}
	done, err := r.texts.of(b)
	if err != nil {
		return err
	}
	defer done()
	keep := b.attributes&attributeControl == 0 && (b.attributes&attributeTransactional == 0 || !r.open[b.producer])
	if keep {
		r.out.Records = slices.Grow(r.out.Records, min(b.count, maxRecords/recordCost))
	}
	for range b.count {
		text, err := r.texts.next()
		if err != nil {
			return err
		}
		if err := r.record(b, &wire{rest: text}, keep); err != nil || r.full {
			return err
		}
	}
	// Past the batch's last offset, whatever records it has left: an emptied batch must not be fetched for ever.
	r.out.Next = max(r.out.Next, b.last+1)
	return r.texts.end()
}

// record reads one record. Those from before the offset come because the broker sends whole batches.
func (r *logReader) record(b *batchInfo, w *wire, keep bool) error {
	w.int8() // attributes, unused
	at, offset := b.first.Add(time.Duration(w.varint())*time.Millisecond), b.base+w.varint()
	key, value := w.bytes(), w.bytes()
	switch {
	case w.failed:
		return errors.New("damaged: a record ends too early")
	case b.attributes&attributeControl != 0:
		if err := r.marker(b, key); err != nil {
			return fmt.Errorf("marker at offset %d: %w", offset, err)
		}
		fallthrough
	case !keep:
		if offset >= r.from {
			r.out.Skipped++
		}
		return nil
	case offset < r.from:
		return nil
	case r.held >= maxRecords:
		r.full, r.out.Next = true, offset
		return nil
	}
	if b.attributes&attributeLogAppendTime != 0 {
		at = b.max
	}
	out := event.Record{Topic: r.tp.Topic, Partition: r.tp.Partition, Offset: offset, Time: at}
	if err := r.fill(&out, key, value, w); err != nil {
		return fmt.Errorf("record at offset %d: %w", offset, err)
	}
	r.out.Records = append(r.out.Records, out)
	r.held += out.Size() + recordCost
	return nil
}

const markerAbort = 0 // 1 is a commit

func (r *logReader) marker(b *batchInfo, key []byte) error {
	w := wire{rest: key}
	w.int16() // version
	kind := w.int16()
	if w.failed {
		return errors.New("damaged: it has no kind")
	}
	if kind == markerAbort {
		delete(r.open, b.producer)
	}
	return nil
}

// fill copies what the record holds into memory of its own: one that waits long for its call must not keep the whole
// reply. Key, value and header values share one allocation. Absent stays nil and empty stays empty: kafka-go's Reader
// returns nil for both, and a dead letter written from that would turn an empty value into a tombstone.
func (r *logReader) fill(out *event.Record, key, value []byte, w *wire) error {
	size, count := len(key)+len(value), w.varint()
	if count < 0 || count > int64(len(w.rest)) {
		return errors.New("damaged: its headers end too early")
	}
	if count > 0 {
		out.Headers = make([]event.Header, count)
	}
	for i := range out.Headers {
		name, v := w.bytes(), w.bytes()
		out.Headers[i] = event.Header{Key: r.name(i, name), Value: v}
		size += len(v)
	}
	if w.failed || len(w.rest) > 0 {
		return errors.New("damaged: its length is not that of its content")
	}
	r.before = out.Headers
	data := make([]byte, 0, size)
	take := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		from := len(data)
		data = append(data, b...)
		return data[from:len(data):len(data)]
	}
	out.Key, out.Value = take(key), take(value)
	for i := range out.Headers {
		out.Headers[i].Value = take(out.Headers[i].Value)
	}
	return nil
}

// name is the name of header i.
func (r *logReader) name(i int, b []byte) string {
	if i < len(r.before) && r.before[i].Key == string(b) {
		return r.before[i].Key
	}
	return string(b)
}
