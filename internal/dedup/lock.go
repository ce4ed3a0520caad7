package dedup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/filelock"
)

// lockStore keeps other processes from the store at path, with a file beside it, waiting for it as long as wait says. The
// store itself is not locked so, because flock and SQLite's own locks meet on some systems, and because closing any
// descriptor of a file drops SQLite's locks on it.
func lockStore(ctx context.Context, path string, wait time.Duration) (*filelock.Lock, error) {
	lock, err := filelock.Take(ctx, path+".lock", wait)
	var held *filelock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("%w%s: stop that process, or give this one a dedup.path of its own", ErrLocked, held.Holder())
	}
	return lock, err
}
