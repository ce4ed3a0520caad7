package app

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/config"
)

const (
	logBuffer = 64 << 10               // bytes that a log may hold back
	logFlush  = 100 * time.Millisecond // how long it may hold them back
)

// Log is the worker's log. Lines about outcomes are collected and written together, at the latest after 100 ms, because a
// system call a line costs more than the line; a warning or an error is written at once, with all before it.
type Log struct {
	*slog.Logger
	out  *lineBuffer
	stop chan struct{}
	done chan struct{}
}

// NewLog makes the log of the configuration. Close writes what is left.
func NewLog(w io.Writer, c config.Log) *Log {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo // Load takes only the levels that slog knows
	}
	out := &lineBuffer{to: w}
	options := &slog.HandlerOptions{Level: level}
	var inner slog.Handler = slog.NewJSONHandler(out, options)
	if c.Format == "text" {
		inner = slog.NewTextHandler(out, options)
	}
	l := &Log{Logger: slog.New(&flushing{inner, out}), out: out, stop: make(chan struct{}), done: make(chan struct{})}
	go l.flushLoop()
	return l
}

func (l *Log) flushLoop() {
	defer close(l.done)
	ticker := time.NewTicker(logFlush)
	defer ticker.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-ticker.C:
			l.out.flush()
		}
	}
}

// Close writes what is left. Lines after it are still taken, and written with the next warning.
func (l *Log) Close() {
	close(l.stop)
	<-l.done
	l.out.flush()
}

// lineBuffer collects lines. A log that cannot be written is no reason to stop relaying: what does not fit is dropped.
type lineBuffer struct {
	mu  sync.Mutex
	buf []byte
	to  io.Writer
}

// Write implements io.Writer.
func (b *lineBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.buf)+len(p) > logBuffer {
		b.write()
	}
	b.buf = append(b.buf, p...)
	return len(p), nil
}

func (b *lineBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

// write hands over what was collected. The lock is held, so that lines keep their order.
func (b *lineBuffer) write() {
	if len(b.buf) > 0 {
		_, _ = b.to.Write(b.buf) // there is nowhere to say that the log cannot be written
		b.buf = b.buf[:0]
	}
}

// flushing writes warnings and errors at once.
type flushing struct {
	slog.Handler
	out *lineBuffer
}

// Handle implements slog.Handler.
func (f *flushing) Handle(ctx context.Context, r slog.Record) error {
	err := f.Handler.Handle(ctx, r)
	if r.Level >= slog.LevelWarn || r.Message != "settled" {
		f.out.flush()
	}
	return err
}

// WithAttrs implements slog.Handler.
func (f *flushing) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &flushing{f.Handler.WithAttrs(attrs), f.out}
}

// WithGroup implements slog.Handler.
func (f *flushing) WithGroup(name string) slog.Handler {
	return &flushing{f.Handler.WithGroup(name), f.out}
}
