package dedup

import (
	"encoding/binary"
	"sync/atomic"
)

// A filter answers "this id has no row" without a look at the file, which is the answer for almost every event: a lookup
// costs 8 µs of CPU and two hand-overs between goroutines, the filter 0.1 µs. It is a Bloom filter in blocks of 64 bytes,
// one cache line each. Its other answer, "perhaps", is wrong for less than one id in a hundred as long as it holds no more
// than it was made for; then the lookup says what is so. Keys are never taken out.
//
// It is exact on the side that matters: a row is in it before it can be read. The writer adds the key before it commits,
// and nobody asks for a key whose write is under way, because its entry in the table of claims answers first.
type filter struct {
	blocks []filterBlock
	room   int64        // keys that it was made for
	keys   atomic.Int64 // keys that were added, some of them twice
}

type filterBlock [8]uint64

const (
	filterBits    = 12        // per key
	filterProbes  = 6         // bits that a key sets
	filterMinRoom = 1 << 18   // keys; 384 KiB
	filterMaxSize = 512 << 10 // blocks, 32 MiB: beyond some 20 million ids it is wrong more often
)

// newFilter makes a filter for twice as many keys as there are.
func newFilter(keys int64) *filter {
	room := max(2*keys, filterMinRoom)
	blocks := min(room*filterBits/(64*8), filterMaxSize)
	return &filter{blocks: make([]filterBlock, blocks), room: room}
}

// full says that more was added than the filter was made for: rows that are gone count too.
func (f *filter) full() bool { return f.keys.Load() > f.room }

// place is the block of k and its bits, nine of the key's own bits for each: a key is a hash.
func (f *filter) place(k key) (*filterBlock, uint64) {
	block := binary.BigEndian.Uint64(k[:8]) % uint64(len(f.blocks))
	return &f.blocks[block], binary.BigEndian.Uint64(k[8:])
}

func (f *filter) add(k key) {
	block, bits := f.place(k)
	for range filterProbes {
		atomic.OrUint64(&block[bits>>6&7], 1<<(bits&63))
		bits >>= 9
	}
	f.keys.Add(1)
}

// perhaps is false where k was never added.
func (f *filter) perhaps(k key) bool {
	block, bits := f.place(k)
	for range filterProbes {
		if atomic.LoadUint64(&block[bits>>6&7])&(1<<(bits&63)) == 0 {
			return false
		}
		bits >>= 9
	}
	return true
}

// known is what is known of the keys of a file: the filter that answers, and the one that is filled from the rows to take
// its place. Until the first one is ready, every id is looked up.
type known struct {
	answering atomic.Pointer[filter]
	filling   *filter // of the writer
}

// absent says that the id has no row.
func (n *known) absent(k key) bool {
	f := n.answering.Load()
	return f != nil && !f.perhaps(k)
}

// add is called by the writer before it commits a row of k.
func (n *known) add(k key) {
	if f := n.answering.Load(); f != nil {
		f.add(k)
	}
	if n.filling != nil {
		n.filling.add(k)
	}
}

// begin makes the filter that is to be filled with the rows that there are. The writer calls it between two groups: a row
// that is committed later is added by the writer, one that was committed before is read.
func (n *known) begin(entries int64) *filter {
	n.filling = newFilter(entries)
	return n.filling
}

// ready lets the filter that was filled answer. The writer calls it.
func (n *known) ready() {
	n.answering.Store(n.filling)
	n.filling = nil
}
