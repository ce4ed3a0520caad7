package consumer

import (
	"context"
	"errors"
	"time"

	"github.com/toprelay/worker/internal/event"
)

// fetchRetry is the wait after a failed fetch.
const fetchRetry = 500 * time.Millisecond

// partition is one owned partition. The schedule's lock guards it; held, accounts and methods are guarded by the bounds' lock.
type partition struct {
	TopicPartition
	window    window
	committed int64 // what this generation has committed
	lanes     map[laneKey]*lane
	running   int           // attempts being made
	idle      chan struct{} // closed when the last of them ends
	revoked   bool
	held      int // bytes of what is fetched and not in a lane yet
	accounts  map[string]int
	methods   map[string]int
	end       int64  // last stable offset seen
	stalled   string // the bound that holds its fetch, or empty
}

func newPartition(a Assignment) *partition {
	return &partition{
		TopicPartition: a.TopicPartition, window: window{next: a.Offset}, committed: a.Offset, end: a.Offset,
		lanes: map[laneKey]*lane{}, accounts: map[string]int{}, methods: map[string]int{},
	}
}

// fetch reads the partition into its lanes until ctx ends.
func (w *Worker) fetch(ctx context.Context, g Generation, p *partition) {
	next := p.window.next // only this loop moves it
	expected := w.bounds.firstFetch(len(g.Assignments()))
	defer w.bounds.hold(p, 0)
	consumed := w.metrics.consumed.WithLabelValues(p.Topic)
	for w.room(ctx, g, p, false) {
		w.bounds.hold(p, expected)
		batch, err := g.Fetch(ctx, p.TopicPartition, next)
		arrived := memory(batch.Records)
		w.bounds.hold(p, arrived)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrOffsetOutOfRange):
			w.lostPosition(ctx, g, p, next, err)
			return
		case err != nil:
			w.kafka.failed(p.trouble(requestFetch), "fetching from Kafka fails", err, "topic", p.Topic, "partition", p.Partition)
			if !pause(ctx, fetchRetry) {
				return
			}
			continue
		}
		w.kafka.worked(p.trouble(requestFetch), "fetching from Kafka works again", "topic", p.Topic, "partition", p.Partition)
		expected = arrived
		if batch.Skipped > 0 {
			w.metrics.skippedOffsets.WithLabelValues(p.Topic, "transaction").Add(float64(batch.Skipped))
		}
		w.schedule.mu.Lock()
		p.end = batch.End // now, because a bound may hold the loop below for long, and the lag must show that
		w.schedule.mu.Unlock()
		now := time.Now()
		for i := range batch.Records {
			if i > 0 && !w.room(ctx, g, p, true) {
				return
			}
			it := w.decode(p, batch.Records[i], now)
			batch.Records[i] = event.Record{} // so that it goes when it is settled, and not with the last one of the batch
			consumed.Inc()
			w.schedule.add(it)
		}
		next = batch.Next
		w.schedule.mu.Lock()
		p.window.advance(next)
		w.schedule.mu.Unlock()
	}
}

// memory is what records take, in bytes.
func memory(records []event.Record) int {
	n := len(records) * itemOverhead
	for i := range records {
		n += records[i].Size()
	}
	return n
}

// room waits until the bounds let p fetch on, or take an event that was fetched. While it waits for long it asks for the end
// of the log now and then, so that the lag goes on being true.
func (w *Worker) room(ctx context.Context, g Generation, p *partition, fetched bool) bool {
	if ctx.Err() != nil {
		return false
	}
	span := func() int64 {
		w.schedule.mu.Lock()
		defer w.schedule.mu.Unlock()
		return p.window.span()
	}
	before := ""
	return w.bounds.room(ctx, p, fetched, span, func(cause string) {
		if cause != "" && cause == before {
			w.lookAtEnd(ctx, g, p)
		}
		before = cause
		w.stall(p, cause)
	})
}

// lookAtEnd fetches at the end of the log for the sake of the end alone; what it brings is fetched again in its turn.
func (w *Worker) lookAtEnd(ctx context.Context, g Generation, p *partition) {
	w.schedule.mu.Lock()
	end := p.end
	w.schedule.mu.Unlock()
	batch, err := g.Fetch(ctx, p.TopicPartition, end)
	if err != nil {
		return // the fetch loop meets it too, and says so
	}
	w.schedule.mu.Lock()
	p.end = max(p.end, batch.End)
	w.schedule.mu.Unlock()
}

// trouble is the kind of a trouble that one partition has alone.
func (p *partition) trouble(kind string) string { return kind + " " + p.String() }

// stall notes the bound that holds a partition, or its end.
func (w *Worker) stall(p *partition, cause string) {
	w.schedule.mu.Lock()
	before := p.stalled
	p.stalled = cause
	var holder *item
	if len(p.window.pending) > 0 {
		holder = p.window.oldest()
	}
	w.schedule.mu.Unlock()
	w.metrics.stall(p, before, cause)
	switch {
	case cause == StallOffset: // said by lostPosition
	case cause != "" && holder != nil && time.Since(holder.fetched) >= sayStalled: // else it is only load
		w.trouble.report(p.trouble("stall"), "a bound stops the fetch of a partition", errStalled,
			"topic", p.Topic, "partition", p.Partition, "cause", cause, "held_by", holder.typeLabel(), "since", holder.published().UTC())
	case cause == "":
		w.trouble.over(p.trouble("stall"), "a partition is fetched again", "topic", p.Topic, "partition", p.Partition)
	}
}

var errStalled = errors.New("too much of it is unsettled")

// lostPosition stops a partition whose position is outside the log: skipping records silently would be a loss. It stands
// still, and says so, until the worker loses it. Now and then it asks where the log ends, so that the lag shows what waits.
func (w *Worker) lostPosition(ctx context.Context, g Generation, p *partition, position int64, err error) {
	w.stall(p, StallOffset)
	w.log.Error("a partition stops: its position is outside the log, so records were removed before they were delivered, or the topic was made anew; reset the group's offset to accept that",
		"topic", p.Topic, "partition", p.Partition, "error", err.Error())
	for {
		var outside *RangeError
		if errors.As(err, &outside) && outside.End >= 0 {
			w.schedule.mu.Lock()
			p.end = outside.End
			w.schedule.mu.Unlock()
		}
		if !pause(ctx, sayStalled) {
			return
		}
		_, err = g.Fetch(ctx, p.TopicPartition, position)
	}
}

// pause waits for d. It returns false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
