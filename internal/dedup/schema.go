package dedup

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// applicationID marks a file as a ledger of this program ("tRly"), so that no other database is taken for one.
const applicationID = 0x74526c79

// pageSize: rows go to random places of the tree, so that a write costs a page and not a row. Pages of 2 KiB write half
// of what the default writes, at the same depth in practice (measured: 15 µs of CPU a row in groups of 256, 23 at 4 KiB).
const pageSize = 2048

// quickCheckBytes is up to which size a file is read through when it is opened. A larger one is checked by and by, as
// its pages are read: the sweep for what is too old reads all of them every day.
const quickCheckBytes = 64 << 20

// migrations take a file from version i to i+1. They are never changed once released; a new version is a new entry.
var migrations = []string{`
-- What is known of each id. The key is the first 16 bytes of SHA-256 over the length-prefixed method, account and id.
-- state: 1 claimed, 2 released, 3 delivered, 4 unknown. at: Unix seconds of the last change. content: version byte and
-- the first 16 bytes of the content's hash. There is no index on at: it would cost every event a second insertion, and
-- the sweep in the order of keys deletes neighbours together.
CREATE TABLE ledger (
	key     BLOB NOT NULL PRIMARY KEY,
	state   INTEGER NOT NULL,
	scope   INTEGER NOT NULL,
	at      INTEGER NOT NULL,
	content BLOB,
	reply   TEXT,
	history TEXT
) WITHOUT ROWID;
-- The methods and accounts of the rows.
CREATE TABLE scope (
	id      INTEGER PRIMARY KEY,
	method  TEXT NOT NULL,
	account TEXT NOT NULL,
	UNIQUE (method, account)
);
-- What must survive a restart beside the ids: pauses and bans.
CREATE TABLE state (
	name  TEXT NOT NULL PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;
-- One row. epoch: how often the file was opened; it makes tokens unique for ever. entries: rows of ledger. newest: the
-- largest at of all rows.
CREATE TABLE meta (
	id      INTEGER PRIMARY KEY CHECK (id = 1),
	epoch   INTEGER NOT NULL,
	entries INTEGER NOT NULL,
	newest  INTEGER NOT NULL
);
INSERT INTO meta VALUES (1, 0, 0, 0);
`, `
-- In the row of a delivered id, what Delivered was given follows the content: a value of its own costs every event more. reply
-- stands in rows of version 1 only. Nothing has to be changed, but a worker of version 1 must not take the file for damaged.
UPDATE meta SET epoch = epoch;
`}

// prepareFile brings the file behind c to the newest version, or says why it must not be touched.
func prepareFile(c *conn, path string, migrations []string) error {
	app, err := c.int1("PRAGMA application_id")
	if err != nil {
		return damaged(path, err)
	}
	version, err := c.int1("PRAGMA user_version")
	if err != nil {
		return damaged(path, err)
	}
	objects, err := c.int1("SELECT count(*) FROM sqlite_master")
	if err != nil {
		return damaged(path, err)
	}
	switch {
	case app == 0 && version == 0 && objects == 0: // new
		if err := c.exec(fmt.Sprintf("PRAGMA page_size=%d", pageSize)); err != nil {
			return err
		}
	case app != applicationID:
		return fmt.Errorf("%s is a database of another program: set dedup.path to a file of the worker's own", path)
	case version > int64(len(migrations)):
		return fmt.Errorf("%s has schema version %d and this worker knows up to %d: run the newer worker that wrote it, "+
			"or move the file away, which forgets what was delivered", path, version, len(migrations))
	default:
		if err := quickCheck(c, path); err != nil {
			return err
		}
	}
	mode, err := c.query1("PRAGMA journal_mode=WAL", 1)
	if err != nil {
		return damaged(path, err)
	}
	if len(mode) != 1 || mode[0] != "wal" {
		return fmt.Errorf("%s cannot be used with a write-ahead log (journal mode %v): put dedup.path on a local disk", path, mode)
	}
	for v := version; v < int64(len(migrations)); v++ {
		if err := migrate(c, v, migrations[v]); err != nil {
			return fmt.Errorf("bring %s from schema version %d to %d: %w", path, v, v+1, err)
		}
	}
	return nil
}

// migrate takes one step. The version changes in the step's own transaction: a crash leaves the one or the other.
func migrate(c *conn, from int64, sql string) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := c.fault("migrate")
	if err == nil {
		err = c.exec(fmt.Sprintf("%s;\nPRAGMA application_id=%d;\nPRAGMA user_version=%d;", sql, applicationID, from+1))
	}
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		_ = c.exec("ROLLBACK")
	}
	return err
}

func quickCheck(c *conn, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > quickCheckBytes {
		return nil
	}
	found, err := c.query1("PRAGMA quick_check(1)", 1)
	if err != nil {
		return damaged(path, err)
	}
	if len(found) != 1 || found[0] != "ok" {
		return damaged(path, errors.New(strings.Join(strings.Fields(fmt.Sprint(found)), " "))) // it has several lines
	}
	return nil
}

// damaged says what to do about a file that cannot be read.
func damaged(path string, err error) error {
	switch codeOf(err) {
	case codeBusy, codeLocked:
		return fmt.Errorf("%s is held by a program that is not the worker: close it: %w", path, err)
	case codeIO, codeCantOpen, codeReadOnly, codeNoMemory, codeFull:
		return fmt.Errorf("%s cannot be read or written: check the disk, the folder and its permissions: %w", path, err)
	}
	return fmt.Errorf("%s is damaged or no database (%w): restore it from a backup, or move it away together with its -wal file; "+
		"without it the ids that were delivered are forgotten, and events that are consumed again are sent again", path, err)
}
