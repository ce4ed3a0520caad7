package broker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/compress"
)

const (
	// maxRecords is when the reading of a reply stops, in bytes of memory: the rest is fetched again. A compressed batch of
	// 1 MiB can hold a thousand times that.
	maxRecords = 8 << 20
	// recordCost is what a record takes beside its bytes.
	recordCost = 128
	// maxInflated bounds what a compressed batch may become, in bytes. The broker's limit of max.message.bytes counts the
	// compressed ones. It is no limit of memory, but of the work on a batch, which is inflated anew for each part of it.
	maxInflated = 256 << 20
)

var (
	errRecordsEnd   = errors.New("damaged: the records end too early")
	errBehind       = errors.New("damaged: something stands behind the records")
	errInflatedPast = fmt.Errorf("it has more than %d bytes of records", maxInflated)
)

// texts hands out the records of a batch one by one. Those of a compressed batch are inflated one by one, so that no more
// than one of them is in memory.
type texts struct {
	plain wire
	codec compress.Compression
	in    *bufio.Reader // of a compressed batch
	left  int64         // what it may still become
	one   bytes.Buffer
}

// of starts with the records of a batch. done must be called before it starts with another one.
func (t *texts) of(b *batchInfo) (done func(), err error) {
	t.plain = wire{rest: b.records}
	t.codec = compress.Compression(b.attributes & attributeCompression)
	if t.codec == compress.None {
		return func() {}, nil
	}
	codec := t.codec.Codec()
	if codec == nil {
		return nil, fmt.Errorf("compression %d is not known", t.codec)
	}
	in := codec.NewReader(bytes.NewReader(b.records))
	if t.in == nil {
		t.in = bufio.NewReaderSize(in, 32<<10)
	} else {
		t.in.Reset(in)
	}
	t.left = maxInflated
	return func() { _ = in.Close() }, nil // what it could say was said by reading
}

// next is good until it is called again.
func (t *texts) next() ([]byte, error) {
	if t.codec == compress.None {
		b := t.plain.bytes()
		if t.plain.failed || b == nil {
			return nil, errRecordsEnd
		}
		return b, nil
	}
	n, err := binary.ReadVarint(t.in)
	if err != nil {
		return nil, t.broken(err)
	}
	if t.left -= n; n < 0 {
		return nil, errRecordsEnd
	}
	if t.left < 0 {
		return nil, fmt.Errorf("%s: %w", t.codec, errInflatedPast)
	}
	t.one.Reset()
	if _, err := io.CopyN(&t.one, t.in, n); err != nil { // grows with what comes, whatever n says
		return nil, t.broken(err)
	}
	return t.one.Bytes(), nil
}

// end says whether all was read.
func (t *texts) end() error {
	if t.codec == compress.None {
		if len(t.plain.rest) > 0 {
			return errBehind
		}
		return nil
	}
	switch _, err := t.in.ReadByte(); {
	case err == nil:
		return errBehind
	case errors.Is(err, io.EOF):
		return nil
	default:
		return t.broken(err)
	}
}

func (t *texts) broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", t.codec, errRecordsEnd)
	}
	return fmt.Errorf("damaged: %s: %w", t.codec, err)
}
