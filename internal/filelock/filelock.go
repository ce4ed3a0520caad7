// Package filelock keeps what lies in a folder to one process: an flock on a file, which the kernel gives back when the
// process ends in whatever way, and which says who has it.
package filelock

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

// poll is how often a waiting Take looks whether the file is free.
const poll = 100 * time.Millisecond

// HeldError says that another process has the lock.
type HeldError struct {
	PID int // of that process; 0 where it has not said so
}

func (e *HeldError) Error() string { return "locked by another process" + e.Holder() }

// Holder names the process, with a space before it; it is empty where the process is not known.
func (e *HeldError) Holder() string {
	if e.PID == 0 {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", e.PID)
}

// Lock is a lock that was taken.
type Lock struct{ file *os.File }

// Take locks the file at path, which it makes where it is missing, and waits for it as long as wait says. The error is a
// HeldError where another process has it. The file stays for ever: removing it could leave two processes with a lock on
// two files of one name.
func Take(ctx context.Context, path string, wait time.Duration) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	if err := waitFor(ctx, f, wait); err != nil {
		_ = f.Close()
		return nil, err
	}
	// Who has it, for the message of the next one who wants it. Not being able to say so is no trouble.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &Lock{f}, nil
}

func waitFor(ctx context.Context, f *os.File, wait time.Duration) error {
	deadline := time.NewTimer(max(wait, 0))
	defer deadline.Stop()
	again := time.NewTicker(poll)
	defer again.Stop()
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
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return &HeldError{holder(f)}
		}
	}
}

// Look says whether a process has the lock, without taking it; nil: nobody has. It asks for a shared lock that it gives
// back at once: a Take in this moment looks again a tenth of a second later.
func Look(path string) *HeldError {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	return &HeldError{holder(f)}
}

// holder is the process that has the lock, where it has said so.
func holder(f *os.File) int {
	b := make([]byte, 32)
	n, _ := f.ReadAt(b, 0)
	if pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n]))); err == nil && pid > 0 {
		return pid
	}
	return 0
}

// Release gives the lock back.
func (l *Lock) Release() error { return l.file.Close() }
