package consumer

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// repeatTrouble is how often a trouble that goes on is said again.
const repeatTrouble = time.Minute

// trouble says once what is wrong with the world, again each minute while it lasts or comes back, and when it is over, so
// that an outage is seen in the log and does not fill it.
type trouble struct {
	log *slog.Logger

	open atomic.Int64 // kinds that go on, so that over costs nothing where there is none
	mu   sync.Mutex
	seen map[string]*seenTrouble
}

// seenTrouble is a kind of trouble. It is kept when it is over, so that one that comes and goes is not said each time.
type seenTrouble struct {
	open   bool
	heard  bool      // the present one was said
	since  time.Time // of the present one
	said   time.Time // last
	unsaid int       // reports since
}

func newTrouble(log *slog.Logger) *trouble {
	return &trouble{log: log, seen: map[string]*seenTrouble{}}
}

// report notes a trouble of a kind.
func (t *trouble) report(kind, message string, err error, attrs ...any) {
	t.suspect(kind, 0, message, err, attrs...)
}

// suspect is report for what may be over at once: nothing is said before it has gone on for patience.
func (t *trouble) suspect(kind string, patience time.Duration, message string, err error, attrs ...any) {
	now := time.Now()
	t.mu.Lock()
	s := t.seen[kind]
	if s == nil {
		s = &seenTrouble{}
		t.seen[kind] = s
	}
	if !s.open {
		s.open, s.heard, s.since = true, false, now
		t.open.Add(1)
	}
	if now.Sub(s.since) < patience || !s.said.IsZero() && now.Sub(s.said) < repeatTrouble {
		s.unsaid++
		t.mu.Unlock()
		return
	}
	since, unsaid := s.since, s.unsaid
	s.said, s.heard, s.unsaid = now, true, 0
	t.mu.Unlock()
	attrs = append(attrs, "error", err.Error())
	if unsaid > 0 {
		attrs = append(attrs, "since", since.UTC(), "times", unsaid)
	}
	t.log.Warn(message, attrs...)
}

// quiet says that no kind of trouble goes on.
func (t *trouble) quiet() bool { return t.open.Load() == 0 }

// over notes that a kind of trouble has ended.
func (t *trouble) over(kind, message string, attrs ...any) {
	if since, heard := t.end(kind); heard {
		t.log.Info(message, append(attrs, seconds("after", time.Since(since), time.Millisecond))...)
	}
}

// end notes the same without a word. It returns since when the trouble went on, and whether it was said.
func (t *trouble) end(kind string) (since time.Time, heard bool) {
	if t.quiet() {
		return time.Time{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.seen[kind]
	if s == nil || !s.open {
		return time.Time{}, false
	}
	s.open = false
	t.open.Add(-1)
	return s.since, s.heard
}
