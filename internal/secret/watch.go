package secret

import (
	"context"
	"time"
)

// Watch refreshes the files every interval (more than 0) until ctx ends. The caller runs it in a goroutine of its own
// and waits for it. changed is called for a file whose secret is another, failed for one that cannot be read: once for
// each error, and again when the error is another or comes back after the file was well. Both must not be nil; they are
// called from this goroutine, one at a time.
func Watch(ctx context.Context, interval time.Duration, files []*File, changed func(*File), failed func(*File, error)) {
	told := make([]string, len(files)) // by file: the text of the error that was reported last, "" where all is well
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for i, f := range files {
			isNew, err := f.Refresh()
			switch {
			case err == nil:
				told[i] = ""
			case err.Error() != told[i]:
				told[i] = err.Error()
				failed(f, err)
			}
			if isNew {
				changed(f)
			}
		}
	}
}
