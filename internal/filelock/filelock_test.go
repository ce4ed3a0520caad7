package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func take(t *testing.T, path string) *Lock {
	t.Helper()
	l, err := Take(t.Context(), path, 0)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestTakeRefusesTheSecond(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := take(t, path)
	var held *HeldError
	// flock knows no process: a second descriptor is another owner.
	if _, err := Take(t.Context(), path, time.Millisecond); !errors.As(err, &held) || held.PID != os.Getpid() {
		t.Errorf("Take of a locked file: %v, want a HeldError with this process", err)
	}
	if held := Look(path); held == nil || held.PID != os.Getpid() {
		t.Errorf("Look says %v of a locked file, want this process", held)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if held := Look(path); held != nil {
		t.Errorf("Look says %v of a file that nobody has", held)
	}
	if err := take(t, path).Release(); err != nil { // what the file holds is no lock
		t.Fatal(err)
	}
}

func TestTakeWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := take(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Take(ctx, path, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("Take with a cancelled context: %v", err)
	}
	taken := make(chan error, 1)
	go func() {
		l, err := Take(t.Context(), path, time.Hour)
		if err == nil {
			err = l.Release()
		}
		taken <- err
	}()
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if err := <-taken; err != nil {
		t.Errorf("Take after the lock was given back: %v", err)
	}
}

func TestHeldErrorNamesOnlyWhatIsKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	l := take(t, path)
	t.Cleanup(func() { _ = l.Release() })
	if err := os.WriteFile(path, []byte("not a number"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), path, 0); err == nil || strings.Contains(err.Error(), "pid") {
		t.Errorf("Take: %v, want an error without a process", err)
	}
}
