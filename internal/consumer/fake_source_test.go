package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/event"
)

// fakeKafka holds partitions and what a group has committed. It hands out the generations that the test assigns.
type fakeKafka struct {
	mu          sync.Mutex
	logs        map[TopicPartition]*fakeLog
	committed   map[TopicPartition]int64
	generations chan *fakeGeneration
	joinErrs    []error // given one after the other by Next
	joins       int
	closed      bool

	settled func(tp TopicPartition, offset int64) bool // what may be committed past
	broken  []string                                   // promises that were not kept
	trace   *trace
}

// fakeLog is one partition.
type fakeLog struct {
	records []event.Record // in offset order, with gaps
	next    int64          // offset of the next record
	grew    chan struct{}  // closed and made anew when it grows
}

func newFakeKafka(tr *trace) *fakeKafka {
	return &fakeKafka{
		logs: map[TopicPartition]*fakeLog{}, committed: map[TopicPartition]int64{},
		generations: make(chan *fakeGeneration, 16), trace: tr,
	}
}

func (k *fakeKafka) log(tp TopicPartition) *fakeLog {
	l := k.logs[tp]
	if l == nil {
		l = &fakeLog{grew: make(chan struct{})}
		k.logs[tp] = l
	}
	return l
}

// append writes records to a partition and gives them their offsets.
func (k *fakeKafka) append(tp TopicPartition, records ...event.Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.log(tp)
	for _, r := range records {
		r.Topic, r.Partition, r.Offset = tp.Topic, tp.Partition, l.next
		if r.Time.IsZero() {
			r.Time = time.Now()
		}
		l.records = append(l.records, r)
		l.next++
	}
	close(l.grew)
	l.grew = make(chan struct{})
}

// gap leaves offsets without a record: a transaction's marker, or what compaction took.
func (k *fakeKafka) gap(tp TopicPartition, n int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log(tp).next += n
}

// assign makes the next generation.
func (k *fakeKafka) assign(tps ...TopicPartition) *fakeGeneration {
	g := &fakeGeneration{kafka: k, tps: tps, ended: make(chan struct{})}
	k.generations <- g
	return g
}

// Next implements Source.
func (k *fakeKafka) Next(ctx context.Context) (Generation, error) {
	k.mu.Lock()
	k.joins++
	if len(k.joinErrs) > 0 {
		err := k.joinErrs[0]
		k.joinErrs = k.joinErrs[1:]
		k.mu.Unlock()
		return nil, err
	}
	k.mu.Unlock()
	select {
	case g := <-k.generations:
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, tp := range g.tps {
			g.assignments = append(g.assignments, Assignment{TopicPartition: tp, Offset: k.committed[tp]})
			k.log(tp)
		}
		return g, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close implements Source.
func (k *fakeKafka) Close() error {
	k.closed = true
	return nil
}

func (k *fakeKafka) at(tp TopicPartition) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.committed[tp]
}

// joined counts the calls of Next.
func (k *fakeKafka) joined() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.joins
}

// fakeGeneration is one membership.
type fakeGeneration struct {
	kafka       *fakeKafka
	tps         []TopicPartition
	assignments []Assignment
	ended       chan struct{}

	// Guarded by kafka.mu.
	commitErr func() error
	fetchErr  func(tp TopicPartition, offset int64) error
	batch     int           // records in one fetch; 0: 100
	lingers   time.Duration // of a fetch after its context has ended
	commits   []map[TopicPartition]int64
	commitAt  []time.Time
	fetches   map[TopicPartition]int
	handed    map[TopicPartition][]event.Record // the records of the last batch, as the worker has left them
	released  bool
}

var errReleased = errors.New("the generation is over")

// Assignments implements Generation.
func (g *fakeGeneration) Assignments() []Assignment { return g.assignments }

// Ended implements Generation.
func (g *fakeGeneration) Ended() <-chan struct{} { return g.ended }

// Fetch implements Generation.
func (g *fakeGeneration) Fetch(ctx context.Context, tp TopicPartition, offset int64) (Batch, error) {
	k := g.kafka
	k.mu.Lock()
	if g.fetches == nil {
		g.fetches, g.handed = map[TopicPartition]int{}, map[TopicPartition][]event.Record{}
	}
	g.fetches[tp]++
	if g.released {
		k.broken = append(k.broken, "a fetch after the release")
	}
	if g.fetchErr != nil {
		if err := g.fetchErr(tp, offset); err != nil {
			k.mu.Unlock()
			return Batch{}, err
		}
	}
	l := k.log(tp)
	if l.next <= offset {
		grew := l.grew
		k.mu.Unlock()
		poll := time.NewTimer(500 * time.Millisecond)
		defer poll.Stop()
		select {
		case <-grew:
		case <-poll.C:
		case <-ctx.Done():
			time.Sleep(g.lingers)
			return Batch{}, ctx.Err()
		}
		k.mu.Lock()
	}
	defer k.mu.Unlock()
	most := g.batch
	if most == 0 {
		most = 100
	}
	b := Batch{Next: offset, End: l.next}
	defer func() { g.handed[tp] = b.Records }()
	for _, r := range l.records {
		if r.Offset < offset {
			continue
		}
		if len(b.Records) == most {
			return b, nil
		}
		b.Records = append(b.Records, r)
		b.Next = r.Offset + 1
	}
	b.Skipped = int(l.next - b.Next)
	b.Next = l.next
	return b, nil
}

// Commit implements Generation. It checks what must hold at each commit: never back, never past an unsettled record.
func (g *fakeGeneration) Commit(_ context.Context, offsets map[TopicPartition]int64) error {
	k := g.kafka
	k.mu.Lock()
	defer k.mu.Unlock()
	if g.released {
		k.broken = append(k.broken, "a commit after the release")
		return errReleased
	}
	if g.commitErr != nil {
		if err := g.commitErr(); err != nil {
			return err
		}
	}
	g.commits = append(g.commits, maps.Clone(offsets))
	g.commitAt = append(g.commitAt, time.Now())
	for tp, mark := range offsets {
		k.trace.add("commit %d", mark)
		if mark < k.committed[tp] {
			k.broken = append(k.broken, fmt.Sprintf("commit of %v went back from %d to %d", tp, k.committed[tp], mark))
		}
		for _, r := range k.log(tp).records {
			if r.Offset < mark && !k.settled(tp, r.Offset) {
				k.broken = append(k.broken, fmt.Sprintf("%v was committed at %d past the unsettled offset %d", tp, mark, r.Offset))
			}
		}
		k.committed[tp] = mark
	}
	return nil
}

// Release implements Generation.
func (g *fakeGeneration) Release() {
	g.kafka.mu.Lock()
	defer g.kafka.mu.Unlock()
	if g.released {
		g.kafka.broken = append(g.kafka.broken, "released twice")
	}
	g.released = true
	g.kafka.trace.add("release")
}

// rebalance ends the generation.
func (g *fakeGeneration) rebalance() { close(g.ended) }

// set changes what the generation does while it is in use.
func (g *fakeGeneration) set(f func(*fakeGeneration)) {
	g.kafka.mu.Lock()
	defer g.kafka.mu.Unlock()
	f(g)
}

func (g *fakeGeneration) committed() []map[TopicPartition]int64 {
	g.kafka.mu.Lock()
	defer g.kafka.mu.Unlock()
	return append([]map[TopicPartition]int64(nil), g.commits...)
}

func (g *fakeGeneration) isReleased() bool {
	g.kafka.mu.Lock()
	defer g.kafka.mu.Unlock()
	return g.released
}

func (g *fakeGeneration) fetched(tp TopicPartition) int {
	g.kafka.mu.Lock()
	defer g.kafka.mu.Unlock()
	return g.fetches[tp]
}
