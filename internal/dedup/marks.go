package dedup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// marks remembers over a crash of the process which ids were being called. A claim of a method that may be repeated costs no
// row, because it would have to be on the disk before the call; but a process that was killed during a call must not forget
// that it may have run: such an id stays unknown when its event is given up later (contract section 7, promise 5).
//
// Each claim has a slot of the file, which gets its key before the call. The write goes to the page cache, where it survives
// the process; after a crash of the machine the marks of the last seconds may be missing. When its claim ends the slot is
// emptied: at once, or within seconds where the ledger has the result, because then the row tells what became of it.
type marks struct {
	file  *os.File
	mu    sync.Mutex
	free  []uint32            // used before, last one first
	next  uint32              // never used
	stale map[uint32]struct{} // free slots that hold a key still
}

const (
	// markSlots is as many as there can be claims at once: twice the largest consumer.concurrency.
	markSlots = 1 << 17
	markSize  = len(key{})
)

// openMarks opens the file beside the ledger at path, or makes it, and reads the keys that it holds. The ledger is locked.
func openMarks(path string) (*marks, []key, error) {
	f, err := os.OpenFile(path+"-claims", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	m := &marks{file: f, stale: make(map[uint32]struct{})}
	b, err := io.ReadAll(f)
	if err == nil && len(b) < markSlots*markSize { // all of its room now: a mark must not fail because the disk is full
		_, err = f.WriteAt(make([]byte, markSlots*markSize-len(b)), int64(len(b)))
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
	}
	var held []key
	for i := 0; i+markSize <= len(b); i += markSize {
		if k := key(b[i : i+markSize]); k != (key{}) {
			held = append(held, k)
		}
	}
	return m, held, nil
}

// empty forgets all keys.
func (m *marks) empty() error {
	_, err := m.file.WriteAt(make([]byte, markSlots*markSize), 0)
	if err == nil {
		err = m.file.Sync()
	}
	return err
}

// set marks a key and gives its slot.
func (m *marks) set(k key) (uint32, error) {
	m.mu.Lock()
	var slot uint32
	switch {
	case len(m.free) > 0:
		slot = m.free[len(m.free)-1]
		m.free = m.free[:len(m.free)-1]
		delete(m.stale, slot)
	case m.next < markSlots:
		slot = m.next
		m.next++
	default:
		m.mu.Unlock()
		return 0, fmt.Errorf("%d claims at once: there are no more", markSlots)
	}
	m.mu.Unlock()
	if _, err := m.file.WriteAt(k[:], int64(slot)*int64(markSize)); err != nil {
		m.give(slot)
		return 0, err
	}
	return slot, nil
}

// end frees a slot. told says that the ledger has the result.
func (m *marks) end(slot uint32, told bool) {
	if !told {
		m.wipe(slot)
		m.give(slot)
		return
	}
	m.mu.Lock()
	m.free = append(m.free, slot)
	m.stale[slot] = struct{}{}
	m.mu.Unlock()
}

func (m *marks) give(slot uint32) {
	m.mu.Lock()
	m.free = append(m.free, slot)
	m.mu.Unlock()
}

// wipe empties a slot. One that cannot be emptied makes a doubt where there is none; the next mark that cannot be set is an
// error.
func (m *marks) wipe(slot uint32) {
	_, _ = m.file.WriteAt(make([]byte, markSize), int64(slot)*int64(markSize))
}

// tidy empties free slots that hold a key still, at most so many, so that nobody waits for it for long. Otherwise the keys of
// a busy hour would stand there until their rows are too old, and be taken for calls that were cut off.
func (m *marks) tidy(most int) {
	m.mu.Lock() // while it is emptied a slot must not be given out
	defer m.mu.Unlock()
	for slot := range m.stale {
		if most--; most < 0 {
			return
		}
		m.wipe(slot)
		delete(m.stale, slot)
	}
}

func (m *marks) close() error {
	m.tidy(markSlots)
	return m.file.Close()
}
