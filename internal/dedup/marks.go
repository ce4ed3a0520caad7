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
// the process; after a crash of the machine the marks of the last seconds may be missing. A slot whose claim ended with a
// result that the ledger has is used again as it is: its row tells what became of it. All others are emptied.
type marks struct {
	file *os.File
	mu   sync.Mutex
	free []uint32 // used before, last one first
	next uint32   // never used
}

const (
	// markSlots is more than there can be claims at once: the window of the consumer is smaller.
	markSlots = 1 << 15
	markSize  = len(key{})
)

// openMarks opens the file beside the ledger at path, or makes it, and reads the keys that it holds. The ledger is locked.
func openMarks(path string) (*marks, []key, error) {
	f, err := os.OpenFile(path+"-claims", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	m := &marks{file: f}
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
		// A mark that cannot be emptied makes a doubt where there is none; the next one that cannot be set is an error.
		_, _ = m.file.WriteAt(make([]byte, markSize), int64(slot)*int64(markSize))
	}
	m.give(slot)
}

func (m *marks) give(slot uint32) {
	m.mu.Lock()
	m.free = append(m.free, slot)
	m.mu.Unlock()
}

func (m *marks) close() error { return m.file.Close() }
