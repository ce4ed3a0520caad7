package consumer

// window tracks which fetched offsets of a partition are settled. It keeps what is unsettled, so that settled records,
// gaps and transaction markers cost nothing, however far the log goes on past the watermark. The partition's lock guards it.
type window struct {
	next    int64   // the next offset to fetch: everything before it was fetched or holds no record
	pending []*item // in offset order; settled ones are dropped from the front at once, from the middle in bulk
	settled int     // settled items still in pending
}

// add takes a fetched record that is not settled yet. Offsets come in order.
func (w *window) add(it *item) {
	w.pending = append(w.pending, it)
}

// advance notes that everything before next was fetched.
func (w *window) advance(next int64) {
	w.next = max(w.next, next)
}

// settle marks it as settled and lets the watermark pass.
func (w *window) settle(it *item) {
	it.settled = true
	w.settled++
	n := 0
	for n < len(w.pending) && w.pending[n].settled {
		w.pending[n] = nil
		n++
	}
	w.pending = w.pending[n:]
	w.settled -= n
	if w.settled > 64 && w.settled > len(w.pending)/2 {
		w.compact()
	}
}

// compact drops settled items from the middle. It runs once for as many items as it looks at, so a settle costs O(1).
func (w *window) compact() {
	kept := make([]*item, 0, len(w.pending)-w.settled+64)
	for _, it := range w.pending {
		if !it.settled {
			kept = append(kept, it)
		}
	}
	w.pending, w.settled = kept, 0
}

// watermark is the offset to commit: the lowest unsettled one, or the next to fetch where all are settled.
func (w *window) watermark() int64 {
	if len(w.pending) > 0 {
		return w.pending[0].record.Offset
	}
	return w.next
}

// oldest is the item that holds the watermark, or nil.
func (w *window) oldest() *item {
	if len(w.pending) == 0 {
		return nil
	}
	return w.pending[0]
}

// unsettled counts the records that are not settled.
func (w *window) unsettled() int { return len(w.pending) - w.settled }

// span is how many offsets lie between the watermark and the next fetch.
func (w *window) span() int64 { return w.next - w.watermark() }
