package dedup

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// lookupSizes are how many keys one lookup statement takes. Sixty-four in one statement cost 1.8 µs of CPU each, one by
// one 7.7 µs: every statement opens and ends a read transaction of its own.
var lookupSizes = []int{1, 8, 64}

// reader answers lookups. It reads the last committed state beside the writer and waits for no fsync of it.
type reader struct {
	store   *SQLite
	conn    *conn
	lookups map[int]*statement // by size
	args    []any
}

func newReader(ctx context.Context, s *SQLite) (*reader, error) {
	c, err := s.dial(ctx, "query_only=1", "cache_size=-8192")
	if err != nil {
		return nil, err
	}
	r := &reader{store: s, conn: c, lookups: make(map[int]*statement, len(lookupSizes))}
	for _, n := range lookupSizes {
		if r.lookups[n], err = c.prepare(lookupSQL(n)); err != nil {
			return nil, errors.Join(damaged(s.path, err), c.close())
		}
	}
	return r, nil
}

// lookupSQL asks for n keys at once. Each is numbered, so that a row says which lookup it answers.
func lookupSQL(n int) string {
	var wanted strings.Builder
	for i := range n {
		if i > 0 {
			wanted.WriteByte(',')
		}
		fmt.Fprintf(&wanted, "(%d,?)", i)
	}
	return "WITH wanted (n, key) AS (VALUES " + wanted.String() + ") " +
		"SELECT n, state, content, reply, history FROM wanted CROSS JOIN ledger ON ledger.key = wanted.key"
}

func (r *reader) run() {
	most := lookupSizes[len(lookupSizes)-1]
	batch, found := make([]*read, 0, most), make([]row, most)
	for {
		batch = batch[:0]
		select {
		case op := <-r.store.reads:
			batch = append(batch, op)
		case <-r.store.closing:
			r.refuse()
			return
		}
		runtime.Gosched()
		for len(batch) < most {
			select {
			case op := <-r.store.reads:
				batch = append(batch, op)
				continue
			default:
			}
			break
		}
		clear(found)
		err := r.store.usable()
		if err == nil {
			if err = r.lookUp(batch, found); err != nil {
				err = r.store.failed("look up", err)
			}
		}
		for i, op := range batch {
			r.store.finishRead(op, found[i], err)
		}
	}
}

// refuse answers what is still queued when the store closes.
func (r *reader) refuse() {
	for {
		select {
		case op := <-r.store.reads:
			r.store.finishRead(op, row{}, ErrClosed)
		default:
			return
		}
	}
}

// lookUp reads the rows of a batch.
func (r *reader) lookUp(batch []*read, found []row) error {
	if err := r.store.opts.fault("read"); err != nil {
		return err
	}
	size := lookupSizes[slices.IndexFunc(lookupSizes, func(n int) bool { return n >= len(batch) })]
	r.args = r.args[:0]
	for _, op := range batch {
		r.args = append(r.args, op.entry.key[:])
	}
	for len(r.args) < size {
		r.args = append(r.args, nil) // equals no key
	}
	return r.lookups[size].query(5, func(columns []driver.Value) error {
		n, _ := columns[0].(int64)
		var err error
		if found[n], err = readRow(columns[1:]); err != nil {
			return fmt.Errorf("row of key %x: %w", batch[n].entry.key, err)
		}
		return nil
	}, r.args...)
}

// readRow takes state, content, reply and history apart. What this code cannot have written is an error without a code,
// and that breaks the store: it is damaged.
func readRow(columns []driver.Value) (r row, err error) {
	number, _ := columns[0].(int64)
	bytes, _ := columns[1].([]byte)
	reply, _ := columns[2].(string)
	history, _ := columns[3].(string)
	if r.state, err = storedState(number); err != nil {
		return row{}, err
	}
	var rest []byte
	if r.content, rest, err = storedContent(bytes); err != nil {
		return row{}, err
	}
	switch {
	case len(rest) > 0 && r.state != stateDelivered:
		return row{}, fmt.Errorf("content of %d bytes in state %d", len(bytes), number)
	case len(rest) > 0:
		r.reply = rest
	case reply != "": // of version 1
		r.reply = []byte(reply)
	}
	r.history, err = decodeHistory(history)
	return r, err
}
