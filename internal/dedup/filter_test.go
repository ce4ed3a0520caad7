package dedup

import (
	"errors"
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/consumer"
)

func keyNo(i int) key { return keyOf(idOf(fmt.Sprint("filter-", i))) }

// TestFilter: what was added is always perhaps there; what was not is so for less than one in a hundred.
func TestFilter(t *testing.T) {
	f := newFilter(0)
	for i := range filterMinRoom {
		f.add(keyNo(i))
	}
	if f.full() {
		t.Error("full with what it was made for")
	}
	for i := range filterMinRoom {
		if !f.perhaps(keyNo(i)) {
			t.Fatalf("key %d was added and is said to be absent", i)
		}
	}
	wrong := 0
	for i := range 100_000 {
		if f.perhaps(keyNo(filterMinRoom + i)) {
			wrong++
		}
	}
	if wrong == 0 || wrong > 1000 {
		t.Errorf("wrong for %d of 100,000", wrong)
	}
	if f.add(keyNo(filterMinRoom)); !f.full() {
		t.Error("not full with one more than it was made for")
	}
	if large := newFilter(1 << 40); len(large.blocks) != filterMaxSize {
		t.Errorf("%d blocks", len(large.blocks))
	}
}

// withFilter opens the store at path and waits until its filter answers.
func withFilter(t *testing.T, path string) (*SQLite, *faults) {
	t.Helper()
	f := newFaults()
	reached, open := f.hold("filled")
	s := openAt(t, path, Options{seams: seams{fault: f.at, pragmas: fast}})
	<-reached
	open()
	return s, f
}

// TestFilterOfAFile: ids that have a row are looked up, all others are not, through a restart.
func TestFilterOfAFile(t *testing.T) {
	path := ledgerPath(t)
	s, _ := withFilter(t, path)
	const n = 3*fillRows + 7
	var ids [n]consumer.LedgerKey
	done := make(chan error, n)
	for i := range ids {
		go func() {
			r := repeatable(fmt.Sprint("row-", i))
			c, err := s.Claim(t.Context(), r)
			if err == nil {
				err = s.Delivered(t.Context(), r.Key, c.Token, contentNo(1), nil)
			}
			done <- err
		}()
	}
	for range ids {
		must(t, <-done)
	}
	must(t, s.Close())

	s, f := withFilter(t, path)
	for i := range ids {
		mustClaim(t, s, repeatable(fmt.Sprint("row-", i)), consumer.AnswerDelivered)
	}
	f.fail("read", errors.New("a lookup"))
	absent := 0
	for i := range 100 {
		if s.known.absent(keyOf(idOf(fmt.Sprint("new-", i)))) {
			absent++
			mustClaim(t, s, repeatable(fmt.Sprint("new-", i)), consumer.AnswerMine)
		}
	}
	if absent < 90 {
		t.Errorf("%d of 100 new ids are known to be absent", absent)
	}
}

// TestKnown: what the writer adds is in the filter that answers and in the one that will.
func TestKnown(t *testing.T) {
	var n known
	n.begin(0)
	n.add(keyNo(1))
	if n.absent(keyNo(1)) || n.absent(keyNo(2)) {
		t.Error("absent without a filter that answers")
	}
	n.ready()
	if n.absent(keyNo(1)) || !n.absent(keyNo(2)) {
		t.Error("what was added while the first filter was filled")
	}
	n.begin(0)
	n.add(keyNo(3))
	if n.absent(keyNo(3)) {
		t.Error("added beside the filter that answers")
	}
	n.ready()
	if n.absent(keyNo(3)) {
		t.Error("not in the filter that has taken its place")
	}
}

// TestRowsWhileTheFilterIsFilled: a row that is written behind the place up to which the filter was filled is not missed.
func TestRowsWhileTheFilterIsFilled(t *testing.T) {
	path := ledgerPath(t)
	f := newFaults()
	reached, fill := f.hold("fill")
	ready, answer := f.hold("filled")
	s := openAt(t, path, Options{seams: seams{fault: f.at, pragmas: fast}})
	<-reached
	deliver(t, s, "before the first step")
	fill()
	<-ready // every row was read; the writer is between the two filters
	answer()
	deliver(t, s, "after the last step")
	mustClaim(t, s, repeatable("after the last step"), consumer.AnswerDelivered)

	// A filter that holds more than it was made for gives way to a new one, and knows what is written meanwhile.
	reached, fill = f.hold("fill")
	ready, answer = f.hold("filled")
	all := ^uint64(0)
	s.known.answering.Store(&filter{blocks: []filterBlock{{all, all, all, all, all, all, all, all}}, room: -1})
	<-reached
	deliver(t, s, "beside the old filter")
	fill()
	<-ready
	answer()
	if f := s.known.answering.Load(); f.full() || f.keys.Load() == 0 {
		t.Errorf("the new filter holds %d keys of %d", f.keys.Load(), f.room)
	}
	for _, id := range []string{"before the first step", "after the last step", "beside the old filter"} {
		mustClaim(t, s, repeatable(id), consumer.AnswerDelivered)
	}
}
