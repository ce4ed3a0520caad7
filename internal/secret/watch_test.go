package secret_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	write(t, one, "1", 0o600)
	write(t, two, "2", 0o600)
	files := []*secret.File{open(t, one), open(t, two)}

	synctest.Test(t, func(t *testing.T) {
		const interval = 5 * time.Second
		calls := make(chan string, 10)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			secret.Watch(ctx, interval, files,
				func(f *secret.File) { calls <- "changed " + filepath.Base(f.Path()) + " " + f.Value() },
				func(f *secret.File, err error) {
					what := "other"
					for _, w := range []string{"no such file", "empty", "chmod 600"} {
						if strings.Contains(err.Error(), w) {
							what = w
							break
						}
					}
					calls <- "failed " + filepath.Base(f.Path()) + " " + what
				})
		}()
		// after lets one interval pass and compares what was called in it.
		after := func(step string, want ...string) {
			t.Helper()
			time.Sleep(interval) // the bubble's clock
			synctest.Wait()
			var got []string
			for len(calls) > 0 {
				got = append(got, <-calls)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", step, got, want)
			}
		}
		remove := func(path string) {
			t.Helper()
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}

		after("nothing happened")
		write(t, one, "1b", 0o600)
		after("one changed", "changed one 1b")
		after("nothing more")
		remove(one)
		write(t, two, "", 0o600)
		after("both are bad", "failed one no such file", "failed two empty")
		after("each error once")
		write(t, one, "1c", 0o644)
		after("another error", "failed one chmod 600")
		write(t, one, "1c", 0o600)
		write(t, two, "2", 0o600)
		after("both are well, two as it was", "changed one 1c")
		remove(two)
		after("the error is back", "failed two no such file")

		cancel()
		<-done
	})
}

func TestWatchEndsAtOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	secret.Watch(ctx, time.Hour, nil, nil, nil) // returns
}
