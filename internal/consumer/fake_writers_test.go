package consumer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

// trace is what happened, in order.
type trace struct {
	mu    sync.Mutex
	lines []string
}

func (t *trace) add(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf(format, args...))
}

// take returns what happened since the last take, without the fetching and committing around it.
func (t *trace) take() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.DeleteFunc(t.lines, func(s string) bool { return strings.HasPrefix(s, "commit") })
	t.lines = nil
	return strings.Join(lines, ", ")
}

// fakeLetters is the dead-letter topic.
type fakeLetters struct {
	mu    sync.Mutex
	fail  error
	hang  chan struct{} // not nil: writes wait until it is closed, or their context ends
	all   []Letter
	tries int
	trace *trace
}

// Write implements DeadLetters.
func (f *fakeLetters) Write(ctx context.Context, l Letter) error {
	f.mu.Lock()
	f.tries++
	hang := f.hang
	f.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.all = append(f.all, l)
	f.trace.add("letter %s", l.Reason)
	return nil
}

func (f *fakeLetters) failing(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

// list returns the letters.
func (f *fakeLetters) list() []Letter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// reasons are "id reason" of each letter.
func (f *fakeLetters) reasons() []string {
	var out []string
	for _, l := range f.list() {
		out = append(out, idOf(l.Record)+" "+string(l.Reason))
	}
	return out
}

// fakeResults is the results topic. A result is written last before an event is settled, so it tells what may be
// committed past.
type fakeResults struct {
	mu    sync.Mutex
	fail  error
	all   []Result
	have  map[string]bool
	trace *trace
}

// Write implements Results.
func (f *fakeResults) Write(_ context.Context, r Result) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	f.all = append(f.all, r)
	f.have[place(TopicPartition{r.Record.Topic, r.Record.Partition}, r.Record.Offset)] = true
	f.trace.add("result %s", r.Outcome)
	return nil
}

func (f *fakeResults) failing(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

func (f *fakeResults) settled(tp TopicPartition, offset int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.have[place(tp, offset)]
}

func (f *fakeResults) list() []Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// outcomes are "id outcome" of each result, in the order in which they were settled.
func (f *fakeResults) outcomes() []string {
	var out []string
	for _, r := range f.list() {
		out = append(out, idOf(r.Record)+" "+r.Outcome)
	}
	return out
}

func place(tp TopicPartition, offset int64) string { return fmt.Sprintf("%v@%d", tp, offset) }

// fakeObserver hears what an observer hears.
type fakeObserver struct {
	mu        sync.Mutex
	settled   []Settled
	attempted []Attempted
	trace     *trace
}

// Settled implements Observer.
func (f *fakeObserver) Settled(s Settled) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, s)
	f.trace.add("settled")
}

// Attempted implements Observer.
func (f *fakeObserver) Attempted(a Attempted) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.attempted = append(f.attempted, a)
}

// logLines is the worker's log.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// with lists the lines with a message.
func (l *logLines) with(t *testing.T, message string) []map[string]any {
	t.Helper()
	var out []map[string]any
	for line := range strings.Lines(l.String()) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("a log line is no JSON: %s", line)
		}
		if m["msg"] == message {
			out = append(out, m)
		}
	}
	return out
}
