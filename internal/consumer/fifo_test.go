package consumer

import (
	"container/heap"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func named(n int) *lane { return &lane{key: laneKey{key: fmt.Sprint(n)}} }

// A fifo behaves as a plain slice does.
func TestFifoProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f fifo
		var model []*lane
		n := 0
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1:
				for range rapid.IntRange(1, 200).Draw(t, "pushes") {
					n++
					f.push(named(n))
					model = append(model, f.lanes[len(f.lanes)-1])
				}
			case 2, 3:
				for range min(rapid.IntRange(1, 200).Draw(t, "pops"), len(model)) {
					if f.peek() != model[0] {
						t.Fatal("peek is not the first")
					}
					if got := f.pop(); got != model[0] {
						t.Fatalf("pop = %v, want %v", got.key, model[0].key)
					}
					model = model[1:]
				}
			case 4:
				digit := rapid.StringMatching(`[0-9]`).Draw(t, "digit")
				is := func(l *lane) bool { return l.key.key[len(l.key.key)-1:] == digit }
				var kept []*lane
				out := f.remove(is)
				for _, l := range model {
					if !is(l) {
						kept = append(kept, l)
						continue
					}
					if len(out) == 0 || out[0] != l {
						t.Fatal("what was removed is not what fits, in its order")
					}
					out = out[1:]
				}
				if len(out) != 0 {
					t.Fatal("too much was removed")
				}
				model = kept
			}
			if f.len() != len(model) {
				t.Fatalf("length %d, want %d", f.len(), len(model))
			}
		}
	})
}

// A queue that is never empty must not keep the lanes that left it.
func TestFifoForgets(t *testing.T) {
	var f fifo
	f.push(named(0))
	for n := range 100_000 {
		f.push(named(n))
		f.pop()
		if len(f.lanes) > 4096 {
			t.Fatalf("a queue of one lane keeps %d places", len(f.lanes))
		}
	}
	for _, l := range f.lanes[:f.head] {
		if l != nil {
			t.Fatal("a lane that left the queue is still held")
		}
	}
}

func TestTimersRingInOrder(t *testing.T) {
	start := time.Unix(0, 0)
	var ts timers
	for _, seconds := range []int{5, 1, 4, 1, 3, 2} {
		heap.Push(&ts, &lane{due: start.Add(time.Duration(seconds) * time.Second)})
	}
	last := start
	for len(ts) > 0 {
		l := heap.Pop(&ts).(*lane)
		if l.due.Before(last) {
			t.Fatalf("%v rings after %v", l.due, last)
		}
		last = l.due
	}
}
