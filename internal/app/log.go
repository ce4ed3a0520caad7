package app

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/config"
)

const (
	logChunk = 64 << 10               // bytes of outcomes that are collected
	logFlush = 100 * time.Millisecond // and for how long
	// logBuffer is how many bytes wait while the log cannot be written. What comes then is dropped.
	logBuffer = 1 << 20
	// logCloseTimeout bounds Close.
	logCloseTimeout = 2 * time.Second
)

// Log is the worker's log. Lines about outcomes are collected and written together, at the latest after 100 ms, because a
// system call a line costs more than the line; a warning or an error is written at once, with all before it. Whoever logs
// does not wait for it: a pipe that nobody reads is no reason to stop relaying.
type Log struct {
	*slog.Logger
	lines *lines
	close sync.Once
	stop  chan struct{}
	done  chan struct{}
}

// NewLog makes the log of the configuration. Close writes what is left.
func NewLog(w io.Writer, c config.Log) *Log {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Load takes only the levels that slog knows
	}
	options := &slog.HandlerOptions{Level: level}
	handler := func(w io.Writer) slog.Handler {
		if c.Format == "text" {
			return slog.NewTextHandler(w, options)
		}
		return slog.NewJSONHandler(w, options)
	}
	out := &lines{to: w, dropLine: dropLine(handler), wake: make(chan struct{}, 1)}
	l := &Log{Logger: slog.New(&flushing{handler(out), out}), lines: out, stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		out.run(l.stop)
	}()
	return l
}

// Close writes what is left, within a time limit: the log may be what hangs. Lines after it are lost. A second Close waits
// for the first.
func (l *Log) Close() {
	l.close.Do(func() { close(l.stop) })
	timer := time.NewTimer(logCloseTimeout)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
	}
}

// lines is what waits to be written. One goroutine writes it.
type lines struct {
	to       io.Writer
	dropLine func(dropped int) []byte
	wake     chan struct{} // capacity 1

	mu      sync.Mutex
	buf     []byte
	dropped int

	// Of the goroutine.
	spare []byte
	lost  int // lines that were dropped, and that was not said yet
}

// Write implements io.Writer for one line. It never blocks and never fails.
func (l *lines) Write(line []byte) (int, error) {
	l.mu.Lock()
	if len(l.buf) > 0 && len(l.buf)+len(line) > logBuffer {
		l.dropped++
	} else {
		l.buf = append(l.buf, line...)
	}
	full := len(l.buf) >= logChunk
	l.mu.Unlock()
	if full {
		l.flush()
	}
	return len(line), nil
}

// flush has everything written soon.
func (l *lines) flush() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run writes until stop is closed, and then what is left.
func (l *lines) run(stop <-chan struct{}) {
	ticker := time.NewTicker(logFlush)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			l.write()
			return
		case <-l.wake:
		case <-ticker.C:
		}
		l.write()
	}
}

// write hands over what has been collected, and says how many lines were dropped behind it.
func (l *lines) write() {
	l.mu.Lock()
	chunk, dropped := l.buf, l.dropped
	l.buf, l.dropped = l.spare[:0], 0
	l.mu.Unlock()
	l.spare = nil
	if cap(chunk) <= 2*logChunk { // a larger one was for a log that hung
		l.spare = chunk
	}
	if len(chunk) == 0 {
		return
	}
	n, err := l.to.Write(chunk)
	if err != nil { // a full disk, a pipe that was closed: there is nowhere to say so
		dropped += bytes.Count(chunk[n:], []byte("\n"))
	}
	if l.lost += dropped; l.lost > 0 && err == nil {
		if _, err := l.to.Write(l.dropLine(l.lost)); err == nil {
			l.lost = 0
		}
	}
}

// dropLine makes the line that says how many lines are missing, in the format of the log.
func dropLine(handler func(io.Writer) slog.Handler) func(dropped int) []byte {
	var line bytes.Buffer
	h := handler(&line)
	return func(dropped int) []byte {
		line.Reset()
		r := slog.NewRecord(time.Now(), slog.LevelWarn, "the log could not be written as fast as the worker logs: lines were dropped", 0)
		r.AddAttrs(slog.Int("dropped", dropped))
		_ = h.Handle(context.Background(), r) // to memory
		return line.Bytes()
	}
}

// flushing has all but the lines of outcomes written at once.
type flushing struct {
	slog.Handler
	lines *lines
}

// Handle implements slog.Handler.
func (f *flushing) Handle(ctx context.Context, r slog.Record) error {
	err := f.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn || r.Message != "settled" {
		f.lines.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (f *flushing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &flushing{f.Handler.WithAttrs(attrs), f.lines}
}

// WithGroup implements slog.Handler.
func (f *flushing) WithGroup(name string) slog.Handler {
	return &flushing{f.Handler.WithGroup(name), f.lines}
}
