package consumer

// fifo is a queue of lanes.
type fifo struct {
	lanes []*lane
	head  int
}

func (f *fifo) len() int { return len(f.lanes) - f.head }

func (f *fifo) push(l *lane) { f.lanes = append(f.lanes, l) }

func (f *fifo) peek() *lane { return f.lanes[f.head] }

func (f *fifo) pop() *lane {
	l := f.lanes[f.head]
	f.lanes[f.head] = nil
	f.head++
	if f.head == len(f.lanes) {
		f.lanes, f.head = f.lanes[:0], 0
	} else if f.head > 1024 && f.head > len(f.lanes)/2 {
		n := copy(f.lanes, f.lanes[f.head:])
		clear(f.lanes[n:])
		f.lanes, f.head = f.lanes[:n], 0
	}
	return l
}

// remove takes out all lanes of which is true.
func (f *fifo) remove(is func(*lane) bool) []*lane {
	var out []*lane
	kept := make([]*lane, 0, f.len())
	for _, l := range f.lanes[f.head:] {
		if is(l) {
			out = append(out, l)
		} else {
			kept = append(kept, l)
		}
	}
	f.lanes, f.head = kept, 0
	return out
}
