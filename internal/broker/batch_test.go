package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go/compress"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/consumer"
)

// wireBatch is a batch to be made. Its records are at offsets; base and last are its own, which compaction keeps.
type wireBatch struct {
	producer   int64
	base, last int64
	attributes int16
	offsets    []int64
	key        []byte // of all records
	value      func(offset int64) []byte
	count      int    // of records, where it is not that of offsets
	records    []byte // instead of those of offsets
}

var (
	batchTime  = time.UnixMilli(1_700_000_000_000)
	appendTime = time.UnixMilli(1_700_000_999_000)
)

// bytes is the batch as it is on the wire.
func (b wireBatch) bytes() []byte {
	records := b.records
	for _, o := range b.offsets {
		r := kmsg.Record{OffsetDelta: int32(o - b.base), TimestampDelta64: o - b.base, Key: b.key, Value: fmt.Appendf(nil, "v%d", o)}
		if b.value != nil {
			r.Value = b.value(o)
		}
		body := r.AppendTo(nil)[1:] // without its length, which is 0 and one byte long
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	if codec := compress.Compression(b.attributes & attributeCompression); codec != compress.None {
		var packed bytes.Buffer
		w := codec.Codec().NewWriter(&packed)
		_, _ = w.Write(records) // what is read back says whether it worked
		w.Close()
		records = packed.Bytes()
	}
	if b.count == 0 {
		b.count = len(b.offsets)
	}
	if b.last == 0 {
		b.last = b.base
		if len(b.offsets) > 0 {
			b.last = b.offsets[len(b.offsets)-1]
		}
	}
	batch := kmsg.RecordBatch{
		FirstOffset: b.base, PartitionLeaderEpoch: -1, Magic: 2, Attributes: b.attributes, LastOffsetDelta: int32(b.last - b.base),
		FirstTimestamp: batchTime.UnixMilli(), MaxTimestamp: appendTime.UnixMilli(),
		ProducerID: b.producer, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(b.count), Records: records,
	}
	text := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(text[8:], uint32(len(text)-batchPrefix))
	binary.BigEndian.PutUint32(text[batchCRC:], crc32.Checksum(text[batchCRC+4:], castagnoli))
	return text
}

func plainBatch(base int64, offsets ...int64) wireBatch {
	return wireBatch{producer: 1, base: base, offsets: offsets}
}

func inTransaction(producer int64, offsets ...int64) wireBatch {
	return wireBatch{producer: producer, base: offsets[0], offsets: offsets, attributes: attributeTransactional}
}

func marker(producer, offset int64, kind byte) wireBatch {
	return wireBatch{producer: producer, base: offset, offsets: []int64{offset}, attributes: attributeControl | attributeTransactional, key: []byte{0, 0, 0, kind}}
}

func logOf(batches ...wireBatch) []byte {
	var log []byte
	for _, b := range batches {
		log = append(log, b.bytes()...)
	}
	return log
}

// What compaction leaves cannot be written by a client, so these logs are made by hand.
func TestReadLog(t *testing.T) {
	const abort, commit = 0, 1
	for name, test := range map[string]struct {
		from    int64
		batches []wireBatch
		aborted []transaction
		want    []int64
		next    int64
		skipped int
	}{
		"nothing": {from: 5, next: 5},
		"a batch that begins before the offset": {
			from: 5, batches: []wireBatch{plainBatch(3, 3, 4, 5, 6)}, want: []int64{5, 6}, next: 7,
		},
		"gaps in a batch and between batches": {
			from: 0, batches: []wireBatch{plainBatch(0, 1, 4), plainBatch(9, 11)}, want: []int64{1, 4, 11}, next: 12,
		},
		"emptied batches, then records": {
			from: 0, batches: []wireBatch{plainBatch(0), {base: 7, last: 8}, plainBatch(9, 9)}, want: []int64{9}, next: 10,
		},
		"an emptied batch alone":             {from: 7, batches: []wireBatch{{base: 7, last: 506}}, next: 507},
		"the gap at the end of a batch":      {from: 8, batches: []wireBatch{{base: 5, last: 99, offsets: []int64{5, 6, 7}}}, next: 100},
		"inside the gap of an emptied batch": {from: 9, batches: []wireBatch{{base: 5, last: 99}}, next: 100},
		"a marker alone":                     {from: 3, batches: []wireBatch{marker(1, 3, commit)}, next: 4, skipped: 1},
		"an emptied control batch":           {from: 3, batches: []wireBatch{{base: 3, last: 3, attributes: attributeControl}}, next: 4},
		"two producers, one aborted": {
			from: 0,
			batches: []wireBatch{
				inTransaction(1, 0, 1), inTransaction(2, 2), inTransaction(1, 3),
				marker(1, 4, abort), marker(2, 5, commit), inTransaction(1, 6), marker(1, 7, commit),
			},
			aborted: []transaction{{producer: 1, first: 0}},
			want:    []int64{2, 6}, next: 8, skipped: 6,
		},
		"records outside of transactions of a producer that aborts": {
			from: 0, batches: []wireBatch{inTransaction(1, 0), plainBatch(1, 1), marker(1, 2, abort)},
			aborted: []transaction{{producer: 1, first: 0}}, want: []int64{1}, next: 3, skipped: 2,
		},
		"two aborted transactions of one producer, given out of order": {
			from: 0,
			batches: []wireBatch{
				inTransaction(1, 0), marker(1, 1, abort), inTransaction(1, 2), marker(1, 3, commit), inTransaction(1, 4), marker(1, 5, abort),
			},
			aborted: []transaction{{producer: 1, first: 4}, {producer: 1, first: 0}},
			want:    []int64{2}, next: 6, skipped: 5,
		},
		// Compaction took all records of the aborted transaction that began at 0. Its marker at 2 ends it.
		"an aborted transaction without records, then a committed one": {
			from: 0, batches: []wireBatch{marker(1, 2, abort), inTransaction(1, 3), marker(1, 4, commit)},
			aborted: []transaction{{producer: 1, first: 0}}, want: []int64{3}, next: 5, skipped: 2,
		},
		"from the middle of an aborted transaction": {
			from: 2, batches: []wireBatch{inTransaction(1, 1, 2), marker(1, 3, abort), inTransaction(1, 4)},
			aborted: []transaction{{producer: 1, first: 0}}, want: []int64{4}, next: 5, skipped: 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := consumer.Batch{Next: test.from}
			if err := readLog(logOf(test.batches...), consumer.TopicPartition{Topic: "t", Partition: 3}, test.from, test.aborted, &b); err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, r := range b.Records {
				got = append(got, r.Offset)
				if r.Topic != "t" || r.Partition != 3 || string(r.Value) != fmt.Sprintf("v%d", r.Offset) {
					t.Errorf("record %+v", r)
				}
			}
			if !slices.Equal(got, test.want) || b.Next != test.next || b.Skipped != test.skipped {
				t.Errorf("got %v, next %d, %d skipped; want %v, next %d, %d skipped", got, b.Next, b.Skipped, test.want, test.next, test.skipped)
			}
		})
	}
}

// A batch that the reply has no room for is cut off. It is fetched again, from its own offset.
func TestReadLogOfACutReply(t *testing.T) {
	whole := logOf(plainBatch(0, 0, 1))
	log := append(slices.Clone(whole), logOf(plainBatch(2, 2))...)
	for n := len(whole); n < len(log); n++ {
		b := consumer.Batch{}
		if err := readLog(log[:n], consumer.TopicPartition{}, 0, nil, &b); err != nil || len(b.Records) != 2 || b.Next != 2 {
			t.Fatalf("%d of %d bytes: %d records, next %d, %v", n, len(log), len(b.Records), b.Next, err)
		}
	}
}

func TestTimeOfARecord(t *testing.T) {
	for _, test := range []struct {
		attributes int16
		want       time.Time
	}{{0, batchTime.Add(2 * time.Millisecond)}, {attributeLogAppendTime, appendTime}} {
		b := consumer.Batch{}
		in := plainBatch(0, 2)
		in.attributes = test.attributes
		if err := readLog(in.bytes(), consumer.TopicPartition{}, 0, nil, &b); err != nil || !b.Records[0].Time.Equal(test.want) {
			t.Errorf("attributes %d: %v, %v; want %v", test.attributes, b.Records[0].Time, err, test.want)
		}
	}
}

// Nothing that is damaged is taken for something shorter: what the batch holds would be lost.
func TestReadLogRefuses(t *testing.T) {
	recordsOf := func(b wireBatch) []byte { return b.bytes()[batchHeader:] }
	two := recordsOf(plainBatch(0, 0, 1))
	seal := func(change func(b []byte)) []byte {
		b := plainBatch(0, 0, 1).bytes()
		change(b)
		binary.BigEndian.PutUint32(b[batchCRC:], crc32.Checksum(b[batchCRC+4:], castagnoli))
		return b
	}
	damaged := plainBatch(0, 0, 1).bytes()
	damaged[len(damaged)-1] ^= 1
	for name, test := range map[string]struct {
		log  []byte
		want string
	}{
		"a wrong checksum":       {damaged, "checksum"},
		"fewer records":          {wireBatch{count: 3, last: 2, records: two}.bytes(), "the records end too early"},
		"more records":           {wireBatch{count: 1, records: two}.bytes(), "behind the records"},
		"a cut record":           {wireBatch{count: 2, last: 1, records: two[:len(two)-1]}.bytes(), "the records end too early"},
		"an empty record":        {wireBatch{count: 1, records: []byte{0}}.bytes(), "a record ends too early"},
		"a longer record":        {wireBatch{count: 1, records: append([]byte{two[0] + 2}, two[1:int(two[0]/2)+2]...)}.bytes(), "its length"},
		"a key beyond the end":   {wireBatch{count: 1, records: []byte{8, 0, 0, 0, 100}}.bytes(), "a record ends too early"},
		"headers beyond the end": {wireBatch{count: 1, records: []byte{14, 0, 0, 0, 1, 1, 0x7e, 0}}.bytes(), "headers"},
		"no time":                {seal(func(b []byte) { binary.BigEndian.PutUint32(b[57:], 0xffffffff) }), "negative number"},
		"an old format":          {seal(func(b []byte) { b[batchMagic] = 1 }), "older than Kafka 0.11"},
		"an unknown compression": {seal(func(b []byte) { b[22] = 7 }), "compression 7"},
		"broken compression":     {seal(func(b []byte) { b[22] = 4 }), "zstd"},
		"fewer, compressed":      {wireBatch{attributes: int16(compress.Zstd), count: 3, last: 2, records: two}.bytes(), "zstd: damaged: the records end too early"},
		"more, compressed":       {wireBatch{attributes: int16(compress.Zstd), count: 1, records: two}.bytes(), "behind the records"},
		"a cut one, compressed":  {wireBatch{attributes: int16(compress.Gzip), count: 2, last: 1, records: two[:len(two)-1]}.bytes(), "gzip: damaged: the records end too early"},
		"a length below none":    {wireBatch{attributes: int16(compress.Zstd), count: 1, records: []byte{1}}.bytes(), "the records end too early"},
		"an impossible length":   {seal(func(b []byte) { binary.BigEndian.PutUint32(b[8:], 3) }), "15 bytes"},
		"no whole batch":         {plainBatch(0, 0, 1).bytes()[:70], "no whole batch"},
		"a marker without kind":  {wireBatch{attributes: attributeControl, offsets: []int64{0}, key: []byte{0}}.bytes(), "marker at offset 0"},
	} {
		b := consumer.Batch{}
		err := readLog(test.log, consumer.TopicPartition{}, 0, nil, &b)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, test.want)
		}
	}
	b := consumer.Batch{Next: 9}
	if err := readLog(logOf(plainBatch(0, 0, 1)), consumer.TopicPartition{}, 9, nil, &b); err == nil {
		t.Error("a reply that ends before the offset: no error, so that it would be fetched for ever in a hot loop")
	}
}

// A compressed batch may become far larger than what came. What it holds is read in parts, each within a bound, and none of
// its records is read twice or left out.
func TestReadLogInParts(t *testing.T) {
	const size, n = 800 << 10, 30
	for _, codec := range []compress.Compression{compress.None, compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		b := wireBatch{base: 10, last: 10 + n + 5, attributes: int16(codec), value: func(o int64) []byte {
			return bytes.Repeat([]byte{byte(o)}, size)
		}}
		for o := range int64(n) {
			b.offsets = append(b.offsets, b.base+o)
		}
		log := append(b.bytes(), logOf(plainBatch(b.last+1, b.last+1))...)
		var got []int64
		fetches := 0
		for next := b.base; next < b.last+2; fetches++ {
			part := consumer.Batch{Next: next}
			if err := readLog(log, consumer.TopicPartition{}, next, nil, &part); err != nil || part.Next <= next {
				t.Fatalf("%s from %d: next %d, %v", codec, next, part.Next, err)
			}
			held := 0
			for _, r := range part.Records {
				got = append(got, r.Offset)
				if held += r.Size(); r.Offset < b.last && (len(r.Value) != size || r.Value[0] != byte(r.Offset)) {
					t.Fatalf("%s: %d bytes at offset %d", codec, len(r.Value), r.Offset)
				}
			}
			if held > maxRecords+size {
				t.Errorf("%s: %d MiB at once", codec, held>>20)
			}
			next = part.Next
		}
		if want := append(slices.Clone(b.offsets), b.last+1); !slices.Equal(got, want) || fetches != 3 {
			t.Errorf("%s: %d fetches brought %v, want 3 and %v", codec, fetches, got, want)
		}
	}
}

// Small records cost more than their bytes.
func TestReadLogCountsWhatRecordsCost(t *testing.T) {
	b := wireBatch{attributes: int16(compress.Zstd), value: func(int64) []byte { return nil }}
	for o := range int64(100_000) {
		b.offsets = append(b.offsets, o)
	}
	part := consumer.Batch{}
	if err := readLog(b.bytes(), consumer.TopicPartition{}, 0, nil, &part); err != nil || len(part.Records) != maxRecords/recordCost {
		t.Errorf("%d records, %v", len(part.Records), err)
	}
}

// There is a bound on what a compressed batch may become.
func TestInflateHasABound(t *testing.T) {
	for _, codec := range []compress.Compression{compress.Gzip, compress.Snappy, compress.Lz4, compress.Zstd} {
		in := wireBatch{attributes: int16(codec), count: 1, records: append(binary.AppendVarint(nil, 1<<20), make([]byte, 1<<20)...)}.bytes()
		head, err := readHead(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int64{1 << 20, 1<<20 - 1} {
			var r texts
			done, err := r.of(&head)
			if err != nil {
				t.Fatal(err)
			}
			r.left = limit
			out, err := r.next()
			if fits := limit == 1<<20; fits && (err != nil || len(out) != 1<<20 || r.end() != nil) || !fits && !errors.Is(err, errInflatedPast) {
				t.Errorf("%s with a limit of %d: %d bytes, %v", codec, limit, len(out), err)
			}
			done()
		}
	}
}

// Publishers that send one event at a time write batches of one record. kafka-go's decoder takes 64 KiB for each.
func TestSmallBatchesTakeLittleMemory(t *testing.T) {
	var log []byte
	n := int64(0)
	for ; len(log) < fetchBytes; n++ {
		b := plainBatch(n, n)
		b.value = func(int64) []byte { return make([]byte, 300) }
		log = append(log, b.bytes()...)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b := consumer.Batch{}
	if err := readLog(log, consumer.TopicPartition{}, 0, nil, &b); err != nil || int64(len(b.Records)) != n {
		t.Fatal(len(b.Records), err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 8*fetchBytes {
		t.Errorf("reading %d batches of 1 MiB together took %d MiB", n, took>>20)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(logOf(plainBatch(0, 0, 1), inTransaction(1, 2), marker(1, 3, 0), wireBatch{base: 4, last: 9}))
	f.Add(wireBatch{attributes: int16(compress.Gzip), offsets: []int64{0, 1}, key: []byte("k")}.bytes())
	f.Fuzz(func(t *testing.T, log []byte) {
		if len(log) >= batchHeader { // with a right checksum, to get behind it
			size := min(len(log), batchPrefix+int(binary.BigEndian.Uint32(log[8:])))
			if size >= batchHeader {
				binary.BigEndian.PutUint32(log[batchCRC:], crc32.Checksum(log[batchCRC+4:size], castagnoli))
			}
		}
		b := consumer.Batch{}
		if err := readLog(log, consumer.TopicPartition{Topic: "t"}, 0, []transaction{{1, 0}}, &b); err == nil && b.Next < 0 {
			t.Errorf("next %d", b.Next)
		}
	})
}
