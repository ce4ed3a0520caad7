package consumer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A deadline is never shorter than its time, at most a second longer, and ends with its parent.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deadline{after: 5 * time.Second}
		parent, cancel := context.WithCancel(t.Context())
		first := d.in(parent, time.Now())
		contexts := 1
		for last := first; contexts < 5; {
			c := d.in(parent, time.Now())
			if end, _ := c.Deadline(); time.Until(end) < 5*time.Second || time.Until(end) > 6*time.Second {
				t.Fatalf("ends in %v", time.Until(end))
			}
			if c != last {
				contexts++
				last = c
			}
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(6 * time.Second)
		if first.Err() != context.DeadlineExceeded {
			t.Errorf("after its time: %v", first.Err())
		}
		other := d.in(context.Background(), time.Now())
		again := d.in(parent, time.Now())
		cancel()
		if again.Err() == nil || other.Err() != nil {
			t.Errorf("after the end of one parent: %v of its own, %v of another's", again.Err(), other.Err())
		}
		if d.in(parent, time.Now()).Err() == nil {
			t.Error("a context of a parent that has ended")
		}
		time.Sleep(10 * time.Second) // no timer is left behind
	})
}
