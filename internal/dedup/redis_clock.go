package dedup

import (
	"strconv"
	"sync/atomic"
	"time"
)

// serverClock is what this process knows of the server's clock, from its last answer. It is late by the time that the answer
// took to come, and never early: a request that must arrive before a moment is refused rather too soon than too late.
type serverClock struct {
	last atomic.Pointer[clockReading]
}

type clockReading struct {
	server time.Time
	here   time.Time // with the monotonic reading
}

func (c *serverClock) set(server time.Time) {
	c.last.Store(&clockReading{server: server, here: time.Now()})
}

// at is the moment of the server's clock that is here at local.
func (c *serverClock) at(local time.Time) (time.Time, bool) {
	last := c.last.Load()
	if last == nil {
		return time.Time{}, false
	}
	return last.server.Add(local.Sub(last.here)), true
}

func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }
