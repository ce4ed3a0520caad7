package consumer

import (
	"log/slog"
	"sync"
	"time"
)

// repeatTrouble is how often a trouble that goes on is said again.
const repeatTrouble = time.Minute

// trouble says once what is wrong with the world, again each minute while it lasts, and once when it is over, so that an
// outage is seen in the log and does not fill it.
type trouble struct {
	log *slog.Logger

	mu   sync.Mutex
	open map[string]*openTrouble
}

type openTrouble struct {
	since, said time.Time
	unsaid      int
}

func newTrouble(log *slog.Logger) *trouble {
	return &trouble{log: log, open: map[string]*openTrouble{}}
}

// report notes a trouble of a kind.
func (t *trouble) report(kind, message string, err error, attrs ...any) {
	now := time.Now()
	t.mu.Lock()
	o := t.open[kind]
	if o == nil {
		o = &openTrouble{since: now}
		t.open[kind] = o
	} else if now.Sub(o.said) < repeatTrouble {
		o.unsaid++
		t.mu.Unlock()
		return
	}
	unsaid := o.unsaid
	o.said, o.unsaid = now, 0
	since := o.since
	t.mu.Unlock()
	attrs = append(attrs, "error", err.Error())
	if unsaid > 0 {
		attrs = append(attrs, "since", since.UTC(), "times", unsaid)
	}
	t.log.Warn(message, attrs...)
}

// over notes that a kind of trouble has ended. It costs a lock where there is none.
func (t *trouble) over(kind, message string, attrs ...any) {
	t.mu.Lock()
	o := t.open[kind]
	delete(t.open, kind)
	t.mu.Unlock()
	if o != nil {
		t.log.Info(message, append(attrs, "after", time.Since(o.since).Round(time.Millisecond).Seconds())...)
	}
}
