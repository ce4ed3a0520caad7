package dedup

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/url"

	"modernc.org/sqlite"
)

// conn is one connection to the file, used by one goroutine at a time. It goes to the driver directly: database/sql
// would add a pool, a lock and some conversions to each of the statements that every event pays for.
type conn struct {
	raw   driver.Conn
	fault func(step string) error
	kept  []*statement // prepared for the life of the connection
}

// dial opens a connection and applies the settings that every connection needs.
func dial(ctx context.Context, path string, fault func(string) error, pragmas ...string) (*conn, error) {
	name := url.URL{Scheme: "file", Path: path}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	raw, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &conn{raw: raw, fault: fault}
	// busy_timeout: somebody reads the file with the sqlite3 command. cell_size_check finds a damaged page when it is read.
	for _, p := range append([]string{"busy_timeout=5000", "cell_size_check=1", "synchronous=FULL"}, pragmas...) {
		if err := c.exec("PRAGMA " + p); err != nil {
			return nil, errors.Join(err, c.close())
		}
	}
	return c, nil
}

// close closes the statements first: SQLite keeps a connection, its files and their locks for as long as it has any.
func (c *conn) close() error {
	var errs []error
	for _, s := range c.kept {
		errs = append(errs, s.close())
	}
	c.kept = nil
	return errors.Join(append(errs, c.raw.Close())...)
}

// exec runs sql once, to its end.
func (c *conn) exec(sql string) error {
	s, err := c.compile(sql)
	if err != nil {
		return err
	}
	_, err = s.exec()
	return errors.Join(err, s.close())
}

// query1 runs sql once and returns the columns of its first row, or nil.
func (c *conn) query1(sql string, columns int) ([]driver.Value, error) {
	s, err := c.compile(sql)
	if err != nil {
		return nil, err
	}
	var first []driver.Value
	err = s.query(columns, func(row []driver.Value) error {
		if first == nil {
			first = append(first, row...)
		}
		return nil
	})
	return first, errors.Join(err, s.close())
}

// int1 is the one number that sql answers with.
func (c *conn) int1(sql string) (int64, error) {
	row, err := c.query1(sql, 1)
	if err != nil {
		return 0, err
	}
	if len(row) == 1 {
		if n, ok := row[0].(int64); ok {
			return n, nil
		}
	}
	return 0, fmt.Errorf("%s: no number", sql)
}

// prepare makes a statement that lives as long as the connection.
func (c *conn) prepare(sql string) (*statement, error) {
	s, err := c.compile(sql)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", sql, err)
	}
	c.kept = append(c.kept, s)
	return s, nil
}

func (c *conn) compile(sql string) (*statement, error) {
	raw, err := c.raw.Prepare(sql)
	if err != nil {
		return nil, err
	}
	return &statement{raw: raw, execer: raw.(driver.StmtExecContext), queryer: raw.(driver.StmtQueryContext)}, nil
}

// prepareAll prepares each statement into the place that it belongs to.
func (c *conn) prepareAll(all map[**statement]string) error {
	for place, sql := range all {
		s, err := c.prepare(sql)
		if err != nil {
			return err
		}
		*place = s
	}
	return nil
}

// statement is a prepared statement with room for its arguments, so that running it allocates little.
type statement struct {
	raw     driver.Stmt
	execer  driver.StmtExecContext
	queryer driver.StmtQueryContext
	args    []driver.NamedValue
	row     []driver.Value
}

func (s *statement) bind(args []any) {
	s.args = s.args[:0]
	for i, a := range args {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: a})
	}
}

// exec runs the statement and says how many rows it changed. It takes no context: a statement that was interrupted in the
// middle of a group would take the group with it.
func (s *statement) exec(args ...any) (changed int64, err error) {
	s.bind(args)
	r, err := s.execer.ExecContext(context.Background(), s.args)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// query runs the statement and calls each with every row; the slice is used again for the next one.
func (s *statement) query(columns int, each func([]driver.Value) error, args ...any) (err error) {
	s.bind(args)
	rows, err := s.queryer.QueryContext(context.Background(), s.args)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	if cap(s.row) < columns {
		s.row = make([]driver.Value, columns)
	}
	for {
		row := s.row[:columns]
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

func (s *statement) close() error { return s.raw.Close() }
