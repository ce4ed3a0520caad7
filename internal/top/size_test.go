package top

import (
	"bytes"
	"compress/gzip"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

// TestReplySizes: 8 MiB after gunzip is read, a byte more is not.
func TestReplySizes(t *testing.T) {
	body := func(size int) []byte {
		const head, tail = `{"pad":"`, `","result":{"success":true}}`
		return append(append([]byte(head), bytes.Repeat([]byte("p"), size-len(head)-len(tail))...), tail...)
	}
	zipped := func(text []byte) []byte {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write(text)
		_ = w.Close()
		return b.Bytes()
	}
	for _, c := range []struct {
		name  string
		text  []byte
		gzip  bool
		class Class
	}{
		{"small", body(100), false, ClassOK},
		{"the last small one", body(smallReply), false, ClassOK},
		{"the first large one", body(smallReply + 1), false, ClassOK},
		{"8 MiB", body(maxReply), false, ClassOK},
		{"a byte more", body(maxReply + 1), false, ClassTransient},
		{"gzip", zipped(body(100)), true, ClassOK},
		{"gzip, 8 MiB", zipped(body(maxReply)), true, ClassOK},
		{"gzip, a byte more", zipped(body(maxReply + 1)), true, ClassTransient},
	} {
		t.Run(c.name, func(t *testing.T) {
			header := map[string]string{}
			if c.gzip {
				header["Content-Encoding"] = "gzip"
			}
			client := statusServer(t, 200, header, string(c.text))
			r := client.Call(t.Context(), testAccount(), typeOf(t, "top.logisticsorder.status.v1"), Payload{})
			if r.Class != c.class || !r.Written {
				t.Errorf("%+v", r)
			}
			if c.class != ClassOK {
				checkError(t, r, "over 8 MiB")
			}
		})
	}
}

// TestGzipBombsAreBounded reads bombs from many calls at once.
func TestGzipBombsAreBounded(t *testing.T) {
	var bomb bytes.Buffer
	w, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	_, _ = io.WriteString(w, `{"a":"`)
	for range 32 {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	}
	_ = w.Close()
	client := statusServer(t, 200, map[string]string{"Content-Encoding": "gzip"}, bomb.String())
	update := typeOf(t, "top.logisticsorder.status.v1")
	bomb.Reset()
	// As the worker runs: what was read and is garbage by now must not count, and is as much as the collector lets there be.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(64 << 20))
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const calls = 12
	replies := make(chan Reply, calls)
	for range calls {
		go func() { replies <- client.Call(t.Context(), testAccount(), update, Payload{}) }()
	}
	for range calls {
		if r := <-replies; r.Class != ClassTransient || !r.Written {
			t.Errorf("%+v", r)
		}
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 100<<20 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}

// TestLargeRepliesWaitForASlot: a large reply that gets no slot in time is no answer.
func TestLargeRepliesWaitForASlot(t *testing.T) {
	client := statusServer(t, 200, nil, `{"pad":"`+strings.Repeat("p", smallReply)+`"}`)
	for range cap(client.large) {
		client.large <- struct{}{}
	}
	short := *typeOf(t, "top.logisticsorder.status.v1")
	client.options.Methods = map[string]MethodOptions{short.Method: {Timeout: 300 * time.Millisecond}}
	r := client.Call(t.Context(), testAccount(), &short, Payload{})
	if r.Class != ClassTransient || !r.Written {
		t.Errorf("%+v", r)
	}
	checkError(t, r, "no reply within")
}
