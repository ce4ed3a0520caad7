package dedup

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

const (
	// checkpointPages is how many pages the write-ahead log takes before it is moved into the file: 16 MiB. More would
	// save writes of pages that change often, and cost disk, and time at the next start after a crash.
	checkpointPages = 8192
	// sweepRows is how many rows one step of a sweep looks at, and so the most that it deletes in one transaction.
	sweepRows = 256
	// sweepPause is what a sweep waits between two steps: it takes some percent of one core while it runs.
	sweepPause = 20 * time.Millisecond
	// sweepsPerRetention is how many sweeps begin in the time of the retention: rows stay at most that part longer.
	sweepsPerRetention = 14
	// fillRows is how many keys one step of filling a filter reads: 200,000 a second.
	fillRows = 4096
	// lookEvery is how often the upkeep looks whether the file is still there, whether a store without room has some again,
	// and whether the filter is full.
	lookEvery = time.Second
)

// upkeep keeps the file in order beside the traffic: it moves the write-ahead log into the file, deletes what is older than
// the retention, and fills the filter of the ids.
type upkeep struct {
	store    *SQLite
	conn     *conn
	scan     *statement
	due      chan struct{} // a checkpoint is due
	opened   time.Time
	base     time.Time // what the ledger's clock showed when it was opened
	position []byte    // where the running sweep is; nil when none runs

	blind time.Time // since when the file cannot be looked at, as it was last said

	keys    *statement
	filling *filter // nil when none is being filled
	filled  []byte  // up to which key
}

func newUpkeep(ctx context.Context, s *SQLite) (*upkeep, error) {
	c, err := s.dial(ctx, "cache_size=-2048", "wal_autocheckpoint=0")
	if err != nil {
		return nil, err
	}
	u := &upkeep{store: s, conn: c, due: make(chan struct{}, 1), opened: s.opts.Now()}
	// A wall clock that is wrong after a boot must not make everything look old: the clock of the ledger starts at its
	// newest row where that is earlier, and goes on monotonically. A ledger that was idle keeps its rows for longer.
	u.base = u.opened
	if newest := time.Unix(s.writer.newest, 0); s.writer.newest > 0 && newest.Before(u.base) {
		u.base = newest
	}
	err = c.prepareAll(map[**statement]string{
		&u.scan: fmt.Sprintf("SELECT max(key), total(at < ? AND state <> %d), count(*) FROM "+
			"(SELECT key, at, state FROM ledger WHERE key > ? ORDER BY key LIMIT %d)", stateClaimed, sweepRows),
		&u.keys: fmt.Sprintf("SELECT key FROM ledger WHERE key > ? ORDER BY key LIMIT %d", fillRows),
	})
	if err != nil {
		return nil, errors.Join(damaged(s.path, err), c.close())
	}
	return u, nil
}

// cutoff is the time before which a row is too old.
func (u *upkeep) cutoff() int64 {
	return u.base.Add(u.store.opts.Now().Sub(u.opened)).Add(-u.store.opts.Retention).Unix()
}

// wake says that a checkpoint is due.
func (u *upkeep) wake() {
	select {
	case u.due <- struct{}{}:
	default:
	}
}

func (u *upkeep) run() {
	begin := time.NewTicker(max(u.store.opts.Retention/sweepsPerRetention, time.Minute))
	defer begin.Stop()
	step := time.NewTicker(sweepPause)
	defer step.Stop()
	look := time.NewTicker(u.store.opts.lookEvery)
	defer look.Stop()
	u.position = []byte{}
	u.note(u.beginFilling())
	for {
		var next <-chan time.Time // step of what runs
		if u.filling != nil || u.position != nil {
			next = step.C
		}
		select {
		case <-u.store.closing:
			return
		case <-u.due:
			u.note(u.checkpoint())
		case <-begin.C:
			if u.position == nil {
				u.position = []byte{}
			}
		case <-next:
			if u.filling != nil {
				u.note(u.fillStep())
			} else {
				u.note(u.sweepStep())
			}
		case done := <-u.store.sweeps:
			done <- u.sweepAll()
		case <-look.C:
			u.lookAtFile()
			if u.store.wary() {
				u.note(u.tryRoom())
			}
			if f := u.store.known.answering.Load(); f != nil && f.full() && u.filling == nil {
				u.note(u.beginFilling())
			}
		}
	}
}

// note takes note of an error that nobody waits for. What went through the writer was noted there.
func (u *upkeep) note(err error) {
	if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrBroken) && !errors.Is(err, ErrFull) {
		_ = u.store.failed("upkeep", err)
	}
}

// tryRoom writes a little, to find out whether a store that had no room has some again.
func (u *upkeep) tryRoom() error {
	err := u.store.do(context.Background(), false, func(w *writer) error {
		_, err := w.meta.exec(w.store.entries.Load(), w.newest)
		return err
	})
	if err == nil {
		u.store.wrote()
	}
	return err
}

// checkpoint moves the write-ahead log into the file. The bulk is done here, beside the traffic; what was written in the
// meantime is done by the writer between two groups, so that the log is empty for a moment and starts from its beginning
// again.
func (u *upkeep) checkpoint() error {
	if err := u.store.usable(); err != nil {
		return err
	}
	if err := u.conn.checkpoint("PASSIVE"); err != nil {
		return err
	}
	return u.store.do(context.Background(), true, func(w *writer) error {
		w.pages = 0
		return w.conn.checkpoint("PASSIVE")
	})
}

// checkpoint runs one. An fsync that fails in it breaks the store: the pages may be lost although a second one succeeds.
// A disk that is full is no error here: the log still holds everything, and is tried again when it has grown further.
func (c *conn) checkpoint(mode string) error {
	err := c.fault("checkpoint")
	if err == nil {
		_, err = c.query1("PRAGMA wal_checkpoint("+mode+")", 3)
	}
	if codeOf(err) == codeFull {
		return nil
	}
	return err
}

// beginFilling begins a new filter of the ids that have a row.
func (u *upkeep) beginFilling() error {
	return u.store.do(context.Background(), true, func(w *writer) error {
		u.filling, u.filled = w.store.known.begin(w.store.entries.Load()), []byte{}
		return nil
	})
}

// fillStep puts the next keys into the filter; after the last one it answers.
func (u *upkeep) fillStep() error {
	if err := u.store.usable(); err != nil {
		return err
	}
	if err := u.conn.fault("fill"); err != nil {
		return err
	}
	var k key
	seen := 0
	err := u.keys.query(1, func(row []driver.Value) error {
		stored, _ := row[0].([]byte)
		if len(stored) != len(k) {
			return fmt.Errorf("key of %d bytes", len(stored))
		}
		k = key(stored)
		u.filling.add(k)
		seen++
		return nil
	}, u.filled)
	u.filled = append(u.filled[:0], k[:]...)
	if err != nil || seen == fillRows {
		return err
	}
	u.filling = nil
	return u.store.do(context.Background(), true, func(w *writer) error {
		w.store.known.ready()
		return w.conn.fault("filled")
	})
}

// sweepStep looks at the next rows and deletes those that are too old.
func (u *upkeep) sweepStep() error {
	if err := u.store.usable(); err != nil {
		return err
	}
	from, cutoff := u.position, u.cutoff()
	var to []byte
	var old float64
	var seen int64
	err := u.scan.query(3, func(row []driver.Value) error {
		to, _ = row[0].([]byte)
		old, _ = row[1].(float64)
		seen, _ = row[2].(int64)
		return nil
	}, cutoff, from)
	if err != nil {
		return err
	}
	u.position = to
	if seen < sweepRows {
		u.position = nil // that was the end
	}
	if old == 0 {
		return nil
	}
	return u.store.do(context.Background(), false, func(w *writer) error {
		n, err := w.expire.exec(from, to, cutoff)
		w.entries -= n
		return err
	})
}

// sweepAll runs a whole sweep without pauses.
func (u *upkeep) sweepAll() error {
	for u.position = []byte{}; u.position != nil; {
		if err := u.sweepStep(); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes everything that is too old, now.
func (s *SQLite) sweep(ctx context.Context) error {
	done := make(chan error, 1)
	if err := queue(ctx, s, s.sweeps, done); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.ended:
		return ErrClosed
	}
}
