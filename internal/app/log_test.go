package app

import (
	"bytes"
	"encoding/json"
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
		text, writes = out.seen()
		if writes != 2 || !strings.Contains(text, `"duplicate"`) || !strings.HasSuffix(text, "\"trouble\"}\n") {
			t.Errorf("a warning is written at once, after what came before: %d writes, %s", writes, text)
		}
		log.Info("ready")
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

func TestLogLongerThanItsBuffer(t *testing.T) {
	out := &sink{}
	log := NewLog(out, config.Log{Level: "info", Format: "text"})
	long := strings.Repeat("x", logBuffer/4)
	for range 10 {
		log.Info("settled", "text", long)
	}
	log.Close()
	if text, _ := out.seen(); strings.Count(text, long) != 10 {
		t.Errorf("%d of 10 lines", strings.Count(text, long))
	}
}
