package simulator

import (
	"bytes"
	"compress/gzip"
	"sync"
)

// Replies are small, so the fastest method that is real compression is enough.
var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.HuffmanOnly)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// compress returns body as gzip.
func compress(body []byte) []byte {
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	var out bytes.Buffer
	out.Grow(len(body) + 64)
	w.Reset(&out)
	_, _ = w.Write(body) // a bytes.Buffer does not fail
	_ = w.Close()
	return out.Bytes()
}
