package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"sync"
)

// lines collects a worker's log, and wakes those who wait for something in it.
type lines struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await waits until the log satisfies ok. It returns false when ctx ends first.
func (l *lines) await(ctx context.Context, ok func(log string) bool) bool {
	for {
		l.mu.Lock()
		text, changed := l.buf.String(), l.changed
		l.mu.Unlock()
		if ok(text) {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// entry is one line of a worker's log.
type entry map[string]any

func (e entry) text(name string) string {
	s, _ := e[name].(string)
	return s
}

// entries are the whole lines of a log whose message is msg.
func entries(log, msg string) []entry {
	var found []entry
	for line := range strings.SplitSeq(log, "\n") {
		if !strings.Contains(line, `"msg":"`+msg+`"`) {
			continue
		}
		var e entry
		if json.Unmarshal([]byte(line), &e) == nil {
			found = append(found, e)
		}
	}
	return found
}
