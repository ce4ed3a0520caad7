package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/config"
)

// sink counts the writes that reach the log's end.
type sink struct {
	mu     sync.Mutex
	text   bytes.Buffer
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.text.Write(p)
}

func (s *sink) seen() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.writes
}

func TestLogCollectsOutcomes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		log := NewLog(out, config.Log{Level: "info", Format: "json"})
		for range 100 {
			log.Info("settled", "outcome", "delivered")
		}
		log.Debug("nothing")
		if text, writes := out.seen(); writes != 0 {
			t.Errorf("written at once: %s", text)
		}
		time.Sleep(logFlush + time.Millisecond)
		synctest.Wait()
		text, writes := out.seen()
		if n := strings.Count(text, "\n"); n != 100 || writes != 1 {
			t.Errorf("%d lines in %d writes, want 100 in 1", n, writes)
		}
		for line := range strings.Lines(text) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("not JSON: %s", line)
			}
		}

		log.With("a", 1).Info("settled", "outcome", "duplicate")
		log.WithGroup("g").Warn("trouble")
		synctest.Wait() // no time passes
		text, writes = out.seen()
		if writes != 2 || !strings.Contains(text, `"duplicate"`) || !strings.HasSuffix(text, "\"trouble\"}\n") {
			t.Errorf("a warning is written at once, after what came before: %d writes, %s", writes, text)
		}
		log.Info("ready")
		synctest.Wait()
		if _, writes := out.seen(); writes != 3 {
			t.Error("what is no outcome is written at once")
		}
		log.Info("settled", "last", true)
		log.Close()
		if text, _ := out.seen(); !strings.Contains(text, `"last":true`) {
			t.Error("Close writes what is left")
		}
	})
}

func TestLogOfLongLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		log := NewLog(out, config.Log{Level: "info", Format: "text"})
		long := strings.Repeat("x", logChunk/4)
		for range 10 {
			log.Info("settled", "text", long)
		}
		synctest.Wait()
		if _, writes := out.seen(); writes == 0 {
			t.Error("more than a chunk waits for the time")
		}
		time.Sleep(2 * logFlush)
		huge := strings.Repeat("y", 2*logBuffer)
		log.Info("settled", "text", huge)
		log.Close()
		if text, _ := out.seen(); strings.Count(text, long) != 10 || !strings.Contains(text, huge) {
			t.Errorf("%d of 10 lines", strings.Count(text, long))
		}
	})
}

// pipe takes what is written while somebody reads it.
type pipe struct {
	sink
	held chan struct{} // writes wait until it is closed
	fail error
}

func (p *pipe) Write(b []byte) (int, error) {
	<-p.held
	if p.fail != nil {
		return 0, p.fail
	}
	return p.sink.Write(b)
}

// Nobody reads the log for a while: whoever logs goes on, what does not fit is dropped, and how much that was is said at the
// place where it is missing.
func TestLogThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pipe{held: make(chan struct{})}
		log := NewLog(out, config.Log{Level: "error", Format: "json"}) // the drop is said whatever the level
		const total = 3 * logBuffer / 1024
		text := strings.Repeat("x", 1024)
		for n := range total {
			log.Error("trouble", "n", n, "text", text)
			if n == 0 {
				synctest.Wait() // the first one is under way
			}
		}
		time.Sleep(time.Hour)
		close(out.held)
		synctest.Wait()
		log.Error("afterwards")
		log.Close()
		seen, _ := out.seen()
		var written, dropped, at int
		lines := strings.Split(strings.TrimSuffix(seen, "\n"), "\n")
		for i, line := range lines {
			var l struct {
				Level   string
				N       int
				Dropped int
			}
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if l.Dropped > 0 {
				dropped, at = dropped+l.Dropped, i
				continue
			}
			if written++; i < len(lines)-2 && l.N != i {
				t.Fatalf("line %d is of %d", i, l.N)
			}
		}
		if written+dropped != total+1 || dropped < total/2 || at != len(lines)-2 {
			t.Errorf("%d lines were written and %d said to be dropped, of %d; said in line %d of %d", written, dropped, total+1, at, len(lines))
		}
	})
}

// A disk that was full, or a pipe that nobody has: what could not be written is counted too.
func TestLogThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pipe{held: make(chan struct{}), fail: errors.New("no space left on device")}
		close(out.held)
		log := NewLog(out, config.Log{Level: "info", Format: "text"})
		for range 3 {
			log.Warn("lost")
			synctest.Wait()
		}
		out.fail = nil
		log.Warn("there is room")
		synctest.Wait()
		log.Warn("all is well")
		log.Close()
		text, _ := out.seen()
		if n := strings.Count(text, "\n"); n != 3 || strings.Count(text, "dropped=3\n") != 1 {
			t.Errorf("written:\n%s", text)
		}
	})
}

// A log that hangs does not hold up the end.
func TestLogThatHangsIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &pipe{held: make(chan struct{})}
		log := NewLog(out, config.Log{Level: "info", Format: "json"})
		log.Warn("trouble")
		before := time.Now()
		log.Close()
		if took := time.Since(before); took != logCloseTimeout {
			t.Errorf("Close took %v", took)
		}
		close(out.held)
	})
}
