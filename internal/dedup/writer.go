package dedup

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"time"
)

const (
	// maxGroup bounds how many changes one transaction takes, and so how long its callers wait for each other.
	maxGroup = 512
	// lingerFrom is how many changes the last group must have had for the next one to wait for more, up to lingerUntil.
	lingerFrom  = 4
	lingerUntil = 128
	// linger is how long it waits. Nobody's call does: its slot is free when its reply is there.
	linger = 4 * time.Millisecond
)

// writer makes changes durable in groups: while one transaction waits for its fsync the next ones queue, so that groups
// grow with the load. On a fast disk that is not enough, and under load a group waits a little for more. A lone change
// costs 145 µs of CPU and an fsync, one in a group of 256 costs 15 µs.
type writer struct {
	store *SQLite
	conn  *conn
	ended chan struct{} // nothing is carried out any more

	begin, commit, rollback         *statement
	insert, update, remove, expire  *statement
	addScope, meta                  *statement
	putState, getState, deleteState *statement

	epoch     uint64
	newest    int64 // the largest time of all rows
	scopes    map[scope]int64
	group     []*write
	content   []byte      // of the row that is being written
	alongside []*task     // tasks of the running group
	last      int         // changes of the last group
	timer     *time.Timer // of the wait for more
	pages     int         // written since the last checkpoint, at most

	// What the running transaction changes: rows added, newest, scopes added.
	entries int64
	latest  int64
	added   []scope
}

func newWriter(ctx context.Context, s *SQLite) (_ *writer, err error) {
	// wal_autocheckpoint=0: SQLite would ignore an error of its own checkpoints, and run them in the way of the callers.
	c, err := s.dial(ctx, "cache_size=-8192", "wal_autocheckpoint=0", "journal_size_limit=67108864")
	if err != nil {
		return nil, damaged(s.path, err)
	}
	w := &writer{store: s, conn: c, scopes: make(map[scope]int64), ended: make(chan struct{}), timer: time.NewTimer(0)}
	<-w.timer.C
	defer func() {
		if err != nil {
			_ = c.close()
		}
	}()
	if err := prepareFile(c, s.path, s.opts.migrations); err != nil {
		return nil, err
	}
	if err := w.load(); err != nil {
		return nil, damaged(s.path, err)
	}
	return w, nil
}

// load prepares the statements, reads what the writer keeps in memory, and counts this opening.
func (w *writer) load() error {
	if err := w.conn.exec("UPDATE meta SET epoch = epoch + 1"); err != nil {
		return err
	}
	meta, err := w.conn.query1("SELECT epoch, entries, newest FROM meta WHERE id = 1", 3)
	if err != nil {
		return err
	}
	if len(meta) != 3 {
		return errors.New("table meta is empty")
	}
	epoch, _ := meta[0].(int64)
	entries, _ := meta[1].(int64)
	w.newest, _ = meta[2].(int64)
	w.epoch = uint64(epoch)
	w.store.entries.Store(entries)

	scopes, err := w.conn.prepare("SELECT id, method, account FROM scope")
	if err != nil {
		return err
	}
	err = scopes.query(3, func(row []driver.Value) error {
		id, _ := row[0].(int64)
		method, _ := row[1].(string)
		account, _ := row[2].(string)
		w.scopes[scope{method, account}] = id
		return nil
	})
	if err != nil {
		return err
	}
	return w.conn.prepareAll(map[**statement]string{
		&w.begin:       "BEGIN IMMEDIATE",
		&w.commit:      "COMMIT",
		&w.rollback:    "ROLLBACK",
		&w.insert:      "INSERT OR REPLACE INTO ledger (key, state, scope, at, content, history) VALUES (?, ?, ?, ?, ?, ?)",
		&w.update:      "UPDATE ledger SET state = ?, scope = ?, at = ?, content = ?, reply = NULL, history = ? WHERE key = ?",
		&w.remove:      "DELETE FROM ledger WHERE key = ?",
		&w.addScope:    "INSERT INTO scope (id, method, account) VALUES (?, ?, ?)",
		&w.meta:        "UPDATE meta SET entries = ?, newest = ? WHERE id = 1",
		&w.putState:    "INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)",
		&w.getState:    "SELECT value FROM state WHERE name = ?",
		&w.deleteState: "DELETE FROM state WHERE name = ?",
		&w.expire: fmt.Sprintf("DELETE FROM ledger WHERE key > ? AND key <= ? AND at < ? AND state <> %d",
			stateClaimed),
	})
}

func (w *writer) run() {
	defer close(w.ended)
	for w.collect() {
		w.runGroup()
	}
}

// collect waits for work and takes what there is. It is false when the store closes and nothing is left.
func (w *writer) collect() bool {
	if len(w.group) == 0 { // else a follow-up is waiting
		select {
		case op := <-w.store.writes:
			w.group = append(w.group, op)
		case t := <-w.store.tasks:
			w.take(t)
		case <-w.store.closing: // fall through: what is queued is still carried out
		}
		// Let the callers that the last group has just woken queue their next change first.
		runtime.Gosched()
	}
	w.drain()
	if w.last >= lingerFrom && len(w.group) > 0 && len(w.group) < lingerUntil && !w.closing() {
		w.timer.Reset(linger)
		select {
		case <-w.timer.C:
		case <-w.store.closing:
		}
		w.drain()
	}
	w.last = len(w.group)
	return len(w.group) > 0 || len(w.alongside) > 0 || !w.closing()
}

// drain takes what is queued.
func (w *writer) drain() {
	for len(w.group) < maxGroup {
		select {
		case op := <-w.store.writes:
			w.group = append(w.group, op)
		case t := <-w.store.tasks:
			w.take(t)
		default:
			return
		}
	}
}

func (w *writer) closing() bool {
	select {
	case <-w.store.closing:
		return true
	default:
		return false
	}
}

// take puts a task into the group, or runs it at once where it wants to be alone.
func (w *writer) take(t *task) {
	if !t.alone {
		w.alongside = append(w.alongside, t)
		return
	}
	t.done <- w.carryOut("maintain", func() error { return t.run(w) })
}

// carryOut runs do, unless the store is broken, and takes note of how it ended.
func (w *writer) carryOut(doing string, do func() error) error {
	if broken := w.store.broken.Load(); broken != nil {
		return *broken
	}
	if err := do(); err != nil {
		return w.store.failed(doing, err)
	}
	return nil
}

// runGroup makes the group durable, or fails all of it, and answers its callers.
func (w *writer) runGroup() {
	if len(w.group) == 0 && len(w.alongside) == 0 {
		return
	}
	err := w.carryOut("write", w.transact)
	answered := len(w.group)
	for _, op := range w.group[:answered] {
		if follow := w.store.finishWrite(op, err); follow != nil {
			w.group = append(w.group, follow)
		}
	}
	rest := copy(w.group, w.group[answered:])
	clear(w.group[rest:])
	w.group = w.group[:rest]
	for _, t := range w.alongside {
		t.done <- err
	}
	clear(w.alongside)
	w.alongside = w.alongside[:0]
	if w.pages >= w.store.opts.checkpointPages {
		w.store.upkeep.wake()
	}
}

// transact runs the group as one transaction. What it changes in memory counts only when it is committed.
func (w *writer) transact() (err error) {
	w.entries, w.latest, w.added = 0, w.newest, w.added[:0]
	if err := w.step("begin", w.begin); err != nil {
		return err
	}
	defer func() {
		if err == nil {
			return
		}
		_, _ = w.rollback.exec() // SQLite may have done it already
		for _, s := range w.added {
			delete(w.scopes, s)
		}
	}()
	for _, op := range w.group {
		if err := w.apply(op); err != nil {
			return err
		}
	}
	for _, t := range w.alongside {
		if err := errors.Join(w.conn.fault("write"), t.run(w)); err != nil {
			return err
		}
	}
	entries := w.store.entries.Load() + w.entries
	if w.entries != 0 || w.latest != w.newest {
		if _, err := w.meta.exec(entries, w.latest); err != nil {
			return err
		}
	}
	if err := w.step("commit", w.commit); err != nil {
		return err
	}
	if err := w.conn.fault("committed"); err != nil {
		return err
	}
	w.store.entries.Store(entries)
	w.newest = w.latest
	if len(w.group) > 0 {
		w.store.wrote()
	}
	w.pages += len(w.group) + 3 // one leaf a row; the meta row, an inner page and a new one for good measure
	return nil
}

func (w *writer) step(name string, s *statement) error {
	if err := w.conn.fault(name); err != nil {
		return err
	}
	_, err := s.exec()
	return err
}

// apply makes one change in the running transaction.
func (w *writer) apply(op *write) error {
	if err := w.conn.fault("write"); err != nil {
		return err
	}
	k := op.entry.key[:]
	if op.remove {
		n, err := w.remove.exec(k)
		w.entries -= n
		return err
	}
	w.store.known.add(op.entry.key)
	r := &op.row
	scope, err := w.scopeID(r.scope)
	if err != nil {
		return err
	}
	var content, history any
	if r.content.set {
		w.content = append(append(w.content[:0], r.content.bytes[:]...), r.reply...)
		content = w.content
	}
	if keepsHistory := r.state != stateDelivered; keepsHistory {
		if history, err = encodeHistory(r.history); err != nil {
			return err
		}
	}
	w.latest = max(w.latest, r.at)
	state := int64(r.state)
	if op.known {
		// The sweep may have deleted an old history in the meantime; then this is a new row.
		n, err := w.update.exec(state, scope, r.at, content, history, k)
		if err != nil || n > 0 {
			return err
		}
	}
	n, err := w.insert.exec(k, state, scope, r.at, content, history)
	w.entries += n
	return err
}

// scopeID is the number of a method and account; a new one gets the next.
func (w *writer) scopeID(s scope) (int64, error) {
	if id, ok := w.scopes[s]; ok {
		return id, nil
	}
	id := int64(len(w.scopes)) + 1
	if _, err := w.addScope.exec(id, s.method, s.account); err != nil {
		return 0, err
	}
	w.scopes[s] = id
	w.added = append(w.added, s)
	return id, nil
}
