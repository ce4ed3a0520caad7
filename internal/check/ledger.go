package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/toprelay/worker/internal/filelock"
)

// sqliteMagic is how a file of SQLite begins.
var sqliteMagic = []byte("SQLite format 3\x00")

// ledger says whether a worker could open its ledger. It opens none, because opening counts as a new owner of the claims.
func (r *run) ledger(ctx context.Context) {
	d := r.Config.Dedup
	switch {
	case d.Store == "memory":
		r.warn("the ledger is in memory: after a restart events that were delivered are sent again", "set dedup.store: sqlite for real orders")
		return
	case d.Store == "redis" && d.Redis != nil && r.Redis != nil:
		r.redis(ctx)
		return
	case d.Store != "sqlite" || d.Path == "":
		r.skip("not looked at: see configuration")
		return
	}
	path := d.Path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if held := filelock.Look(path + ".lock"); held != nil {
		r.ok("%s is in use by a running worker%s", path, held.Holder())
		return
	}
	if err := writable(filepath.Dir(path)); err != nil {
		r.fail(Fault, "dedup.path: "+err.Error(), "give the worker's user the folder, or choose another dedup.path")
		return
	}
	size, err := looksLikeLedger(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.ok("%s will be made", path)
	case err != nil:
		r.fail(Fault, "dedup.path: "+err.Error(), "give the worker's user a ledger that it can read and write, or choose another dedup.path")
	default:
		r.ok("%s, %d KiB, in use by nobody", path, size>>10)
	}
}

// writable says whether files can be made in the folder, or in the nearest one above it that is there.
func writable(dir string) error {
	info, err := os.Stat(dir)
	for errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
		info, err = os.Stat(dir)
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no folder", dir)
	}
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".toprelay-check-*")
	if err != nil {
		var pathErr *fs.PathError // its path is that of the file that was tried
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return fmt.Errorf("no file can be made in %s: %w", dir, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// looksLikeLedger opens an existing file as the worker would, and looks at its first bytes.
func looksLikeLedger(path string) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 { // an empty one becomes a ledger
		return 0, err
	}
	begin := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(f, begin); err != nil || !bytes.Equal(begin, sqliteMagic) {
		return 0, fmt.Errorf("%s is no ledger: it does not begin as a SQLite file does", path)
	}
	return info.Size(), nil
}
