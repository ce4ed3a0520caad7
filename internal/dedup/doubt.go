package dedup

import (
	"database/sql/driver"
	"time"

	"github.com/toprelay/worker/internal/retry"
)

// doubt writes down that the process before was calling the ids of keys when it ended: the attempt counts, and it may have
// run. It is called once, before the store is used. What has a result needs nothing; what was only claimed says enough.
func (w *writer) doubt(keys []key, now time.Time) (err error) {
	var look, change *statement
	err = w.conn.prepareAll(map[**statement]string{
		&look:   "SELECT state, content, reply, history FROM ledger WHERE key = ?",
		&change: "UPDATE ledger SET history = ? WHERE key = ?",
	})
	if err != nil {
		return err
	}
	if err := w.step("begin", w.begin); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = w.rollback.exec() // SQLite may have done it already
		}
	}()
	at, added := w.newest, int64(0) // not now: a clock that is wrong at the start must not make everything else look old
	if at == 0 {
		at = now.Unix()
	}
	for _, k := range keys {
		var r row
		err := look.query(4, func(columns []driver.Value) (err error) {
			r, err = readRow(columns)
			return err
		}, k[:])
		if err != nil {
			return err
		}
		if r.state != stateNone && r.state != stateReleased {
			continue
		}
		countCutOff(&r.history, now)
		history, err := encodeHistory(r.history)
		if err != nil {
			return err
		}
		if r.state == stateReleased {
			_, err = change.exec(history, k[:])
		} else {
			// Which method and account it is stands in the key's hash only; its next change says it.
			_, err = w.insert.exec(k[:], int64(stateReleased), int64(0), at, nil, history)
			added++
		}
		if err != nil {
			return err
		}
	}
	entries := w.store.entries.Load() + added
	if _, err := w.meta.exec(entries, at); err != nil {
		return err
	}
	if err := w.step("commit", w.commit); err != nil {
		return err
	}
	w.newest = at
	w.store.entries.Store(entries)
	return nil
}

// countCutOff counts an attempt whose process ended during its call.
func countCutOff(h *retry.History, now time.Time) {
	h.Ambiguous = true
	h.Attempts++
	if h.FirstFailedAt.IsZero() {
		h.FirstFailedAt = now
	}
	*h = normal(*h)
}
