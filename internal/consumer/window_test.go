package consumer

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/toprelay/worker/internal/event"
)

func at(offset int64) *item { return &item{record: event.Record{Offset: offset}} }

func TestWindow(t *testing.T) {
	type step struct {
		add     int64 // an offset to add, -1: none
		advance int64 // fetched up to here, 0: only what was added
		settle  int64 // an offset to settle, -1: none
		mark    int64 // the watermark after it
		span    int64
		open    int // unsettled
	}
	add := func(offset, mark, span int64, open int) step { return step{offset, offset + 1, -1, mark, span, open} }
	settle := func(offset, mark, span int64, open int) step { return step{-1, 0, offset, mark, span, open} }
	advance := func(next, mark, span int64, open int) step { return step{-1, next, -1, mark, span, open} }
	tests := []struct {
		name  string
		start int64
		steps []step
	}{
		{"nothing fetched: the position itself", 7, []step{advance(7, 7, 0, 0)}},
		{"in order", 0, []step{add(0, 0, 1, 1), add(1, 0, 2, 2), settle(0, 1, 1, 1), settle(1, 2, 0, 0)}},
		{"out of order: the lowest unsettled holds", 0, []step{
			add(0, 0, 1, 1), add(1, 0, 2, 2), add(2, 0, 3, 3), settle(2, 0, 3, 2), settle(1, 0, 3, 1), settle(0, 3, 0, 0),
		}},
		{"a gap in front of the first record is passed with it", 5, []step{
			advance(5, 5, 0, 0), add(9, 9, 1, 1), settle(9, 10, 0, 0),
		}},
		{"a gap between records is passed when both sides are settled", 0, []step{
			add(0, 0, 1, 1), add(10, 0, 11, 2), settle(10, 0, 11, 1), settle(0, 11, 0, 0),
		}},
		{"markers at the end are passed, so that a drained topic has no lag", 0, []step{
			add(0, 0, 1, 1), advance(4, 0, 4, 1), settle(0, 4, 0, 0),
		}},
		{"a batch of markers only moves the mark", 3, []step{advance(8, 8, 0, 0)}},
		{"a fetch that says less than is known moves nothing back", 3, []step{advance(8, 8, 0, 0), advance(5, 8, 0, 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := window{next: tt.start}
			items := map[int64]*item{}
			for i, s := range tt.steps {
				if s.add >= 0 {
					items[s.add] = at(s.add)
					w.add(items[s.add])
				}
				w.advance(s.advance)
				if s.settle >= 0 {
					w.settle(items[s.settle])
				}
				if w.watermark() != s.mark || w.span() != s.span || w.unsettled() != s.open {
					t.Fatalf("step %d: watermark %d, span %d, %d unsettled; want %d, %d, %d",
						i, w.watermark(), w.span(), w.unsettled(), s.mark, s.span, s.open)
				}
			}
		})
	}
}

func TestWindowOldest(t *testing.T) {
	w := window{}
	if w.oldest() != nil {
		t.Error("an empty window has no oldest item")
	}
	first, second := at(1), at(2)
	w.add(first)
	w.add(second)
	w.settle(second)
	if w.oldest() != first {
		t.Error("the oldest is not the lowest unsettled one")
	}
	w.settle(first)
	if w.oldest() != nil {
		t.Error("all are settled, and there is an oldest one")
	}
}

// A window that one event holds must not keep what is settled behind it.
func TestWindowCompacts(t *testing.T) {
	w := window{}
	held := at(0)
	w.add(held)
	for offset := int64(1); offset <= 100_000; offset++ {
		it := at(offset)
		w.add(it)
		w.advance(offset + 1)
		w.settle(it)
		if len(w.pending) > 200 {
			t.Fatalf("at offset %d the window keeps %d records although one is unsettled", offset, len(w.pending))
		}
	}
	if w.watermark() != 0 || w.unsettled() != 1 || w.span() != 100_001 {
		t.Errorf("watermark %d, %d unsettled, span %d", w.watermark(), w.unsettled(), w.span())
	}
	w.settle(held)
	if w.watermark() != 100_001 || w.unsettled() != 0 {
		t.Errorf("after the last: watermark %d, %d unsettled", w.watermark(), w.unsettled())
	}
}

// Whatever order records settle in: the watermark is the lowest unsettled offset, or the next one to fetch; it never goes
// back; nothing is forgotten.
func TestWindowProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := window{next: rapid.Int64Range(0, 1000).Draw(t, "start")}
		open := map[int64]*item{}
		order := []int64{}
		last := w.watermark()
		next := w.next
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch settle := rapid.IntRange(0, 9).Draw(t, "what"); {
			case settle < 4: // fetch one record behind a gap
				offset := next + rapid.Int64Range(0, 3).Draw(t, "gap")
				it := at(offset)
				w.add(it)
				w.advance(offset + 1)
				next = offset + 1
				open[offset], order = it, append(order, offset)
			case settle < 5: // markers
				next += rapid.Int64Range(0, 5).Draw(t, "markers")
				w.advance(next)
			case len(order) > 0:
				i := rapid.IntRange(0, len(order)-1).Draw(t, "which")
				w.settle(open[order[i]])
				delete(open, order[i])
				order = append(order[:i], order[i+1:]...)
			}
			want := next
			if len(order) > 0 {
				want = order[0] // offsets are added in order and removed one by one
			}
			if got := w.watermark(); got != want || got < last {
				t.Fatalf("watermark %d after %d, want %d", got, last, want)
			}
			last = w.watermark()
			if w.unsettled() != len(open) || w.span() != next-want {
				t.Fatalf("%d unsettled and span %d, want %d and %d", w.unsettled(), w.span(), len(open), next-want)
			}
		}
	})
}
