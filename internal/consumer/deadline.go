package consumer

import (
	"context"
	"sync/atomic"
	"time"
)

// deadline gives contexts that end after a time, one for all that ask within a second: each is good for the time and up to
// a second more. A context of its own with its timer costs every event a microsecond, twice.
type deadline struct {
	after time.Duration
	last  atomic.Pointer[sharedContext]
}

type sharedContext struct {
	context.Context
	parent context.Context
	fresh  time.Time          // given out until then
	cancel context.CancelFunc // of no use: others may still have it; its own timer ends it
}

// in is a context that ends with parent, too.
func (d *deadline) in(parent context.Context, now time.Time) context.Context {
	if c := d.last.Load(); c != nil && c.parent == parent && now.Before(c.fresh) {
		return c
	}
	c := &sharedContext{parent: parent, fresh: now.Add(time.Second)}
	c.Context, c.cancel = context.WithDeadline(parent, now.Add(d.after+time.Second))
	d.last.Store(c)
	return c
}
