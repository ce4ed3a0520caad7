package dedup

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
)

// marks remembers over a crash of the process which ids were being called. A claim of a method that may be repeated costs no
// row, because it would have to be on the disk before the call; but a process that was killed during a call must not forget
// that it may have run: such an id stays unknown when its event is given up later (contract section 7, promise 5).
//
// Each claim has a slot of a file that is mapped into memory, which gets its key before the call and is emptied when the
// claim ends. What is written there survives the process; after a crash of the machine the marks of the last seconds may be
// missing. A write to the file itself costs as much as one to a connection, 7 µs of CPU an event.
type marks struct {
	file  *os.File
	slots []byte // the file; nil once it is closed
	mu    sync.Mutex
	free  []uint32 // used before, last one first
	next  uint32   // never used
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
	m := &marks{file: f}
	if err := m.load(); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", f.Name(), err), f.Close())
	}
	var held []key
	for i := range uint32(markSlots) {
		if k := key(m.slot(i)); k != (key{}) {
			held = append(held, k)
		}
	}
	return m, held, nil
}

// load maps the file. It is given all of its room before: a write to mapped memory that finds none ends the process.
func (m *marks) load() error {
	info, err := m.file.Stat()
	if err != nil {
		return err
	}
	if missing := markSlots*markSize - int(info.Size()); missing > 0 {
		if _, err := m.file.WriteAt(make([]byte, missing), info.Size()); err != nil {
			return err
		}
		if err := m.file.Sync(); err != nil {
			return err
		}
	}
	m.slots, err = syscall.Mmap(int(m.file.Fd()), 0, markSlots*markSize, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map it into memory: %w: put dedup.path on a local disk", err)
	}
	return nil
}

func (m *marks) slot(i uint32) []byte {
	at := int(i) * markSize
	return m.slots[at : at+markSize]
}

// empty forgets all keys. What the ledger has written down of them is durable already.
func (m *marks) empty() { clear(m.slots) }

// set marks a key and gives its slot.
func (m *marks) set(k key) (uint32, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var i uint32
	switch {
	case m.slots == nil:
		return 0, ErrClosed
	case len(m.free) > 0:
		i = m.free[len(m.free)-1]
		m.free = m.free[:len(m.free)-1]
	case m.next < markSlots:
		i = m.next
		m.next++
	default:
		return 0, fmt.Errorf("%d claims at once: there are no more", markSlots)
	}
	copy(m.slot(i), k[:])
	return i, nil
}

// end empties a slot.
func (m *marks) end(i uint32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.slots == nil {
		return
	}
	clear(m.slot(i))
	m.free = append(m.free, i)
}

// close gives the file back. Claims that end later leave their marks in it.
func (m *marks) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	slots := m.slots
	m.slots = nil
	return errors.Join(syscall.Munmap(slots), m.file.Close())
}
