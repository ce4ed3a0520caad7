package dedup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toprelay/worker/internal/filelock"
)

// readQueue and writeQueue bound how many operations wait for the reader and the writer; a caller beyond them waits with
// its context.
const (
	readQueue  = 1024
	writeQueue = 4096
)

// SQLite is the embedded store: one file, opened by one process. Three goroutines have a connection each, and nobody
// else touches one:
//
//   - the reader looks up rows, many in one statement, and waits for no fsync;
//   - the writer puts everything that waits into one transaction and answers when it is durable;
//   - the upkeep moves the write-ahead log into the file, deletes what is too old, and fills the filter of the ids.
type SQLite struct {
	*ledger
	path   string
	opts   Options
	log    *slog.Logger
	marks  *marks
	lock   *filelock.Lock
	file   os.FileInfo // the file as it was opened
	reader *reader
	writer *writer
	upkeep *upkeep

	known  known // which ids have a row
	reads  chan *read
	writes chan *write
	tasks  chan *task
	sweeps chan chan error // asks the upkeep for a sweep at once

	entries atomic.Int64
	broken  atomic.Pointer[error] // set once: why no call can succeed any more
	full    atomic.Pointer[error] // the last write found no room
	closing chan struct{}
	ended   chan struct{} // all goroutines have ended
	shut    chan struct{} // the files are closed, and closeErr is set
	once    sync.Once

	closeErr error
}

// Open opens the store at o.Path, or makes it. It fails with ErrLocked where another process keeps it, and with a reason
// that says what to do where the file is damaged, of another program, or of a newer version.
func Open(ctx context.Context, o Options) (_ *SQLite, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	s := &SQLite{
		opts: o, log: o.Logger,
		reads: make(chan *read, readQueue), writes: make(chan *write, writeQueue), tasks: make(chan *task, 16),
		sweeps: make(chan chan error), closing: make(chan struct{}), ended: make(chan struct{}),
		shut: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open the ledger: %w", err), s.closeFiles())
		}
	}()
	if s.path, err = resolve(o.Path); err != nil {
		return nil, err
	}
	if s.lock, err = lockStore(ctx, s.path, o.LockWait); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	if s.file, err = create(s.path); err != nil {
		return nil, err
	}
	if s.writer, err = newWriter(ctx, s); err != nil {
		return nil, err
	}
	if err = s.openMarks(); err != nil {
		return nil, err
	}
	if s.reader, err = newReader(ctx, s); err != nil {
		return nil, err
	}
	if s.upkeep, err = newUpkeep(ctx, s); err != nil {
		return nil, err
	}
	metrics, err := newMetrics(o.Registerer, func() float64 { return float64(s.entries.Load()) }, s.bytes)
	if err != nil {
		return nil, err
	}
	s.ledger = &ledger{claims: newClaims(), rows: s, marks: s.marks, now: o.Now, metrics: metrics}
	s.tokens.Store(s.writer.epoch << epochShift)
	s.start()
	return s, nil
}

// openMarks opens the marks and writes down what the process before has left in them.
func (s *SQLite) openMarks() error {
	m, held, err := openMarks(s.path)
	if err != nil {
		return err
	}
	s.marks = m
	if len(held) == 0 {
		return nil
	}
	if err := s.writer.doubt(held, s.opts.Now()); err != nil {
		return fmt.Errorf("write down which calls were cut off: %w", err)
	}
	m.empty()
	return nil
}

// epochShift leaves room for 2^40 tokens (three years of 10,000 a second) in each of 2^24 openings of a file.
const epochShift = 40

// start runs the three goroutines, and a fourth that closes the files after them.
func (s *SQLite) start() {
	var running sync.WaitGroup
	for _, run := range []func(){s.reader.run, s.writer.run, s.upkeep.run} {
		running.Go(run)
	}
	go func() {
		running.Wait()
		close(s.ended)
		if s.broken.Load() == nil {
			s.closeErr = s.closeFiles()
		}
		close(s.shut)
	}()
}

// Healthy is nil, or why the ledger cannot be used: ErrBroken, ErrFull until a write succeeds again, or ErrClosed.
func (s *SQLite) Healthy() error {
	if err := s.usable(); err != nil {
		return err
	}
	if full := s.full.Load(); full != nil {
		return *full
	}
	return nil
}

// Close carries out what is queued, moves the write-ahead log into the file and gives it free. Every later operation
// fails with ErrClosed. Where the disk does not answer within Options.CloseTimeout it gives up and leaves the file locked
// until the process ends. So it does with a broken store: SQLite would move the log into the file without looking at its
// checksums, and the log may be what was lost; the next process checks it.
func (s *SQLite) Close() (err error) {
	s.once.Do(func() {
		s.unregister()
		close(s.closing)
		bound := time.NewTimer(s.opts.CloseTimeout)
		defer bound.Stop()
		select {
		case <-s.shut:
			err = s.closeErr
		case <-bound.C:
			err = fmt.Errorf("close the ledger %s: the disk did not answer within %v", s.path, s.opts.CloseTimeout)
		}
	})
	return err
}

// closeFiles closes what Open opened, in the opposite order. SQLite empties the write-ahead log with the last connection.
func (s *SQLite) closeFiles() error {
	var errs []error
	if s.upkeep != nil {
		errs = append(errs, s.upkeep.conn.close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.conn.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.conn.close())
	}
	if s.marks != nil {
		errs = append(errs, s.marks.close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Release())
	}
	return errors.Join(errs...)
}

// dial opens a connection of the store.
func (s *SQLite) dial(ctx context.Context, pragmas ...string) (*conn, error) {
	return dial(ctx, s.path, s.opts.fault, append(pragmas, s.opts.pragmas...)...)
}

// read answers a lookup where the id is known to have no row, and queues it where not (see rows).
func (s *SQLite) read(ctx context.Context, op *read) error {
	if !s.opts.lookUpAll && s.known.absent(op.entry.key) {
		s.finishRead(op, row{}, nil)
		return nil
	}
	return queue(ctx, s, s.reads, op)
}

// write queues a change (see rows).
func (s *SQLite) write(ctx context.Context, op *write) error { return queue(ctx, s, s.writes, op) }

// queue hands op over, waiting while the queue is full.
func queue[T any](ctx context.Context, s *SQLite, to chan<- T, op T) error {
	if err := s.usable(); err != nil {
		return err
	}
	select {
	case to <- op:
		return nil
	default:
	}
	select {
	case to <- op:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	}
}

func (s *SQLite) usable() error {
	select {
	case <-s.closing:
		return ErrClosed
	default:
	}
	if broken := s.broken.Load(); broken != nil {
		return *broken
	}
	return nil
}

func (s *SQLite) wary() bool { return s.full.Load() != nil }

func (s *SQLite) stopped() <-chan struct{} { return s.ended }

// breakWith makes err the answer to every later call.
func (s *SQLite) breakWith(err error) {
	if s.broken.CompareAndSwap(nil, &err) {
		s.log.Error("the ledger stopped, and nothing is sent any more", "path", s.path, "error", err)
	}
}

// failed takes note of a store error and returns what its callers are told.
func (s *SQLite) failed(doing string, err error) error {
	err, broken := verdict(fmt.Errorf("%s: %w", doing, err))
	switch {
	case broken:
		s.breakWith(err)
	case errors.Is(err, ErrFull) && s.full.CompareAndSwap(nil, &err):
		s.log.Warn("the ledger has no room: nothing is sent until there is some", "path", s.path, "error", err)
	}
	return err
}

// wrote takes note that a write succeeded.
func (s *SQLite) wrote() {
	if s.full.Load() != nil && s.full.Swap(nil) != nil {
		s.log.Info("the ledger has room again", "path", s.path)
	}
}

// bytes is what the store takes on the disk.
func (s *SQLite) bytes() float64 {
	var sum int64
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(s.path + suffix); err == nil {
			sum += info.Size()
		}
	}
	return float64(sum)
}

// resolve makes the folder of path and returns the path without links and relative parts, so that every process finds the
// same lock beside the file.
func resolve(path string) (string, error) {
	if path == "" {
		return "", errors.New("no path: set dedup.path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("dedup.path %s: make its folder: %w", path, err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target, nil
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("dedup.path %s: its folder: %w", path, err)
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}

// create makes the file where it is missing, readable by its owner only, and finds out that it can be written before
// SQLite does.
func create(path string) (os.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("dedup.path must be a file that the worker can write: %w", err)
	}
	info, err := f.Stat()
	return info, errors.Join(err, f.Close())
}
