package simulator

import (
	"sync"
	"time"
)

// limits is the flow control of the platform: calls a second of one app key and method, calls a day of one app key.
type limits struct {
	perSecond, perDay int // 0 = none

	mu      sync.Mutex
	seconds map[banned]window
	days    map[string]window
}

// window counts calls in one second or day, numbered since 1970.
type window struct {
	number int64
	count  int
}

// take counts the call, or refuses it. What is refused does not count.
func (l *limits) take(c *call) *PlatformError {
	if l.perSecond == 0 && l.perDay == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()

	second := window{number: c.time.Unix()}
	one := banned{c.system.method, c.system.appKey}
	if w := l.seconds[one]; w.number == second.number {
		second.count = w.count
	}
	midnight := nextMidnight(c.time)
	day := window{number: midnight.Unix()}
	if w := l.days[c.system.appKey]; w.number == day.number {
		day.count = w.count
	}
	if l.perDay > 0 && day.count >= l.perDay {
		return banRefusal(ScopeApp, midnight.Sub(c.time))
	}
	if l.perSecond > 0 && second.count >= l.perSecond {
		return banRefusal(ScopeAppAPI, time.Second)
	}
	second.count++
	day.count++
	if l.seconds == nil {
		l.seconds, l.days = map[banned]window{}, map[string]window{}
	}
	l.seconds[one], l.days[c.system.appKey] = second, day
	return nil
}

// nextMidnight is the next 24:00 in GMT+8, when the daily count starts anew.
func nextMidnight(t time.Time) time.Time {
	year, month, day := t.In(gmt8).Date()
	return time.Date(year, month, day+1, 0, 0, 0, 0, gmt8)
}

func (l *limits) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seconds, l.days = nil, nil
}
