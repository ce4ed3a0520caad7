package broker

import "encoding/binary"

// wire reads the types of Kafka's protocol from bytes. Past the end it returns zeros and has failed.
type wire struct {
	rest   []byte
	failed bool
}

// text takes n bytes. It is nil where n is negative, and also where there are not as many: then the wire has failed.
func (w *wire) text(n int) []byte {
	if n < 0 {
		return nil
	}
	if n > len(w.rest) {
		w.failed, w.rest = true, nil
		return nil
	}
	b := w.rest[:n:n]
	w.rest = w.rest[n:]
	return b
}

func (w *wire) int8() int8 {
	if b := w.text(1); b != nil {
		return int8(b[0])
	}
	return 0
}

func (w *wire) int16() int16 {
	if b := w.text(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (w *wire) int32() int32 {
	if b := w.text(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (w *wire) int64() int64 {
	if b := w.text(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// varint takes a zigzag number of variable length.
func (w *wire) varint() int64 {
	n, size := binary.Varint(w.rest)
	if size <= 0 {
		w.failed, w.rest = true, nil
		return 0
	}
	w.rest = w.rest[size:]
	return n
}

// bytes takes a length and as many bytes; nil where the length is -1.
func (w *wire) bytes() []byte { return w.text(w.length()) }

// length takes the length of a text: -1 for none, and nothing below.
func (w *wire) length() int {
	n := w.varint()
	if n < -1 || n > int64(len(w.rest)) {
		w.failed, w.rest = true, nil
		return 0
	}
	return int(n)
}
