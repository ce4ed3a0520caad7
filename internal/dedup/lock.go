package dedup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// lockPoll is how often a waiting Open looks whether the file is free.
const lockPoll = 100 * time.Millisecond

// fileLock keeps other processes from a store: an flock on a file beside it, which the kernel gives back when the process
// ends in whatever way. The store itself is not locked so, because flock and SQLite's own locks meet on some systems,
// and because closing any descriptor of a file drops SQLite's locks on it.
type fileLock struct{ file *os.File }

// lockFile takes the lock of the store at path, waiting for it as long as wait says. Its file stays for ever: removing it
// could leave two processes with a lock on two files of one name.
func lockFile(ctx context.Context, path string, wait time.Duration) (*fileLock, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	if err := waitForLock(ctx, f, wait); err != nil {
		_ = f.Close()
		return nil, err
	}
	// Who has it, for the message of the next one who wants it. Not being able to say so is no trouble.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &fileLock{f}, nil
}

func waitForLock(ctx context.Context, f *os.File, wait time.Duration) error {
	deadline := time.NewTimer(max(wait, 0))
	defer deadline.Stop()
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("%w%s: stop that process, or give this one a dedup.path of its own", ErrLocked, holder(f))
		}
	}
}

// holder names the process that has the lock, where it has said so.
func holder(f *os.File) string {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil && pid > 0 {
		return fmt.Sprintf(" (pid %d)", pid)
	}
	return ""
}

// release gives the lock back.
func (l *fileLock) release() error { return l.file.Close() }
