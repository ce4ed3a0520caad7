// Package secret holds secrets that come from files: app secrets, sessions, passwords. A file is read again when it
// changes, and no secret shows in what is printed, logged or written as JSON.
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxSize bounds a secret in bytes: a bigger file is another file.
	maxSize = 64 << 10
	// othersBits are the permissions that a secret's file must not give: nothing to others. The group may read, because
	// that is how Kubernetes hands a secret to a container that is not root (fsGroup, mode 0440); it may not write.
	othersBits = 0o027
	// settleTime is how old a file's mtime must be before an equal mtime and size prove that nothing was written since.
	// Two writes within one tick of the file system's clock have one mtime; the coarsest clock in use (FAT) ticks
	// every two seconds.
	settleTime = 2 * time.Second
)

// File is a secret that is kept in a file. It is safe for concurrent use.
type File struct {
	path  string
	value atomic.Pointer[string] // never nil, never empty; read on every call, hence without a lock

	mu sync.Mutex // one Refresh at a time
	// seen is the file as it was when value was read.
	seen fs.FileInfo
	// settled is true when seen was old enough to be trusted.
	settled bool
}

// Open reads the secret in the file at path. A missing or empty file is refused, one that is no regular file, and one
// that others can read. Its errors name the path and what to do, and never hold what the file holds.
func Open(path string) (*File, error) {
	f := &File{path: path}
	if _, err := f.Refresh(); err != nil {
		return nil, err
	}
	return f, nil
}

// Path returns the path that the secret was opened with.
func (f *File) Path() string { return f.path }

// Value returns the secret, without the white space at its ends. It takes no lock and touches no file.
func (f *File) Value() string { return *f.value.Load() }

// Refresh looks at the file and reads it again if it is another or was written since: one stat where nothing changed.
// It follows symbolic links, so it sees the swap of a link as Kubernetes makes it. changed says that Value is now
// another. With an error the secret stays the one that was read last; the next Refresh tries again.
func (f *File) Refresh() (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return false, f.failure(err)
	}
	// The mode first: chmod changes neither mtime nor size. A pipe must not even be opened.
	if err := check(info, f.path); err != nil {
		return false, err
	}
	if f.settled && os.SameFile(info, f.seen) && info.ModTime().Equal(f.seen.ModTime()) && info.Size() == f.seen.Size() {
		return false, nil
	}
	return f.read()
}

// read takes the secret out of the file.
func (f *File) read() (changed bool, err error) {
	now := time.Now()
	file, err := os.Open(f.path)
	if err != nil {
		return false, f.failure(err)
	}
	defer file.Close()
	info, err := file.Stat() // of what is being read: the path may lead to another file by now
	if err != nil {
		return false, f.failure(err)
	}
	if err := check(info, f.path); err != nil {
		return false, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	switch {
	case err != nil:
		return false, f.failure(err)
	case len(content) > maxSize:
		return false, fmt.Errorf("secret file %s: bigger than %d bytes: is it the right file?", f.path, maxSize)
	}
	value := strings.TrimSpace(string(content))
	if value == "" {
		return false, fmt.Errorf("secret file %s: empty: write the secret into it", f.path)
	}
	f.seen, f.settled = info, now.Sub(info.ModTime()) > settleTime
	if old := f.value.Load(); old != nil && *old == value {
		return false, nil
	}
	f.value.Store(&value)
	return true, nil
}

// check refuses files that are none, and those that give others any permission or the group more than reading.
func check(info fs.FileInfo, path string) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("secret file %s: not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&othersBits != 0 {
		return fmt.Errorf("secret file %s: mode %04o lets others in: run chmod 600 %s", path, mode, path)
	}
	return nil
}

// failure says which file cannot be read, and what to do.
func (f *File) failure(err error) error {
	var pathErr *fs.PathError // names the path too, once is enough
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("secret file %s: %w: write the secret into it and run chmod 600 on it", f.path, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("secret file %s: %w: make the worker's user its owner", f.path, err)
	}
	return fmt.Errorf("secret file %s: %w", f.path, err)
}
