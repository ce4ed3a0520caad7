package dedup

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// PutState remembers value under name until it is deleted, for what must survive a restart beside the ids (pauses and
// bans). Durable when it returns nil.
func (s *SQLite) PutState(ctx context.Context, name string, value []byte) error {
	if value == nil {
		value = []byte{}
	}
	return stateError("put", name, s.do(ctx, false, func(w *writer) error {
		_, err := w.putState.exec(name, value)
		return err
	}))
}

// GetState gives back what was put under name; false where nothing was.
func (s *SQLite) GetState(ctx context.Context, name string) (value []byte, ok bool, err error) {
	// Through the writer, so that it sees what was put before: states are read when the worker starts.
	err = s.do(ctx, false, func(w *writer) error {
		return w.getState.query(1, func(row []driver.Value) error {
			value, _ = row[0].([]byte)
			ok = true
			return nil
		}, name)
	})
	if err != nil {
		return nil, false, stateError("get", name, err)
	}
	return value, ok, nil
}

// DeleteState forgets what was put under name.
func (s *SQLite) DeleteState(ctx context.Context, name string) error {
	return stateError("delete", name, s.do(ctx, false, func(w *writer) error {
		_, err := w.deleteState.exec(name)
		return err
	}))
}

func stateError(what, name string, err error) error {
	if err != nil {
		return fmt.Errorf("%s state %q: %w", what, name, err)
	}
	return nil
}
