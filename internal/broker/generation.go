package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

// ErrReleased says that the generation was given back.
var ErrReleased = errors.New("generation was released")

const (
	locateAttempts = 5
	locateWait     = 200 * time.Millisecond
)

// generation is one membership with a fixed assignment. It outlives kafka-go's: that stops its heartbeats the moment a
// rebalance begins, and a member that drains without a sign of life is out when the session time-out has passed. Here
// heartbeats and commits go on until Release, for which the rebalance waits up to the rebalance time-out.
type generation struct {
	s           *Source
	gen         *kafka.Generation
	assignments []consumer.Assignment

	ended    chan struct{}
	endOnce  sync.Once
	released chan struct{}
	yield    chan struct{} // closed when the generation after this one is wanted

	leave atomic.Bool // the group, before the next join

	mu   sync.Mutex // commits go out in order, and none after Release
	high map[consumer.TopicPartition]int64
}

var _ consumer.Generation = (*generation)(nil)

func newGeneration(s *Source, gen *kafka.Generation) *generation {
	g := &generation{
		s: s, gen: gen,
		ended: make(chan struct{}), released: make(chan struct{}), yield: make(chan struct{}),
		high: map[consumer.TopicPartition]int64{},
	}
	for topic, partitions := range gen.Assignments {
		for _, p := range partitions {
			tp := consumer.TopicPartition{Topic: topic, Partition: p.ID}
			g.assignments = append(g.assignments, consumer.Assignment{TopicPartition: tp, Offset: p.Offset})
		}
	}
	slices.SortFunc(g.assignments, func(a, b consumer.Assignment) int {
		return comparePartitions(a.TopicPartition, b.TopicPartition)
	})
	gen.Start(g.live)
	return g
}

// locate finds the start of the log for partitions without a commit, which kafka-go gives as a negative number.
func (g *generation) locate(ctx context.Context) error {
	for i := range g.assignments {
		a := &g.assignments[i]
		if a.Offset < 0 {
			span, err := g.span(ctx, a.TopicPartition)
			if err != nil {
				return err
			}
			a.Offset = span.Start
		}
		g.high[a.TopicPartition] = a.Offset
	}
	return nil
}

// span asks more than once: after a restart of the broker each idle connection fails once.
func (g *generation) span(ctx context.Context, tp consumer.TopicPartition) (Span, error) {
	wait := time.NewTicker(locateWait)
	defer wait.Stop()
	for attempt := 1; ; attempt++ {
		spans, err := g.s.c.Spans(ctx, tp)
		if err == nil || attempt == locateAttempts {
			return spans[tp], err
		}
		select {
		case <-wait.C:
		case <-g.ended:
			return Span{}, err
		case <-ctx.Done():
			return Span{}, err
		}
	}
}

// live is the function that keeps kafka-go's generation open: while it has not returned, commits go through and no
// other generation begins. So it returns only after Release, and then only when a rebalance waits for it or the next
// generation is wanted: a member that shuts down leaves straight out of this generation, without another join.
func (g *generation) live(ctx context.Context) {
	watchCtx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	watch.Go(func() { g.watch(watchCtx) })
	defer watch.Wait()
	defer cancel()
	select {
	case <-g.yield:
		return
	case <-ctx.Done():
	}
	cancel()
	g.end()
	g.renew()
}

// renew sends heartbeats until Release. The broker answers them with "rebalance in progress" and starts the session
// time-out again.
func (g *generation) renew() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-g.released:
			cancel()
		case <-ctx.Done():
		}
	}()
	ticker := time.NewTicker(g.s.cfg.HeartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-g.released:
			return
		case <-ticker.C:
		}
		r, err := g.s.c.client.Heartbeat(ctx, &kafka.HeartbeatRequest{
			GroupID: g.gen.GroupID, GenerationID: g.gen.ID, MemberID: g.gen.MemberID,
		})
		if err == nil && fenced(r.Error) {
			<-g.released // out of the group: nothing left to renew
			return
		}
	}
}

func (g *generation) Assignments() []consumer.Assignment { return slices.Clone(g.assignments) }

func (g *generation) Fetch(ctx context.Context, tp consumer.TopicPartition, offset int64) (consumer.Batch, error) {
	return g.s.c.Fetch(ctx, tp, offset)
}

// Commit commits with this generation, all partitions in one request. Afterwards the member's session starts anew.
//
// It refuses, without asking the broker, partitions that are not assigned and offsets before what was committed: the
// broker checks the membership only, and lets a member commit other members' partitions, and backwards. It goes out on
// the generation's own connection, so that no late request of an earlier call can overtake it, and takes 5 s at most.
func (g *generation) Commit(ctx context.Context, offsets map[consumer.TopicPartition]int64) error {
	if len(offsets) == 0 {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return g.commitError(err)
	}
	if g.isReleased() {
		return g.commitError(ErrReleased)
	}
	request := map[string]map[int]int64{}
	for tp, offset := range offsets {
		high, ok := g.high[tp]
		if !ok {
			return g.commitError(fmt.Errorf("%s/%d is not assigned to this member", tp.Topic, tp.Partition))
		}
		if offset < high {
			return g.commitError(fmt.Errorf("%s/%d: offset %d is before %d, which was committed already",
				tp.Topic, tp.Partition, offset, high))
		}
		if request[tp.Topic] == nil {
			request[tp.Topic] = map[int]int64{}
		}
		request[tp.Topic][tp.Partition] = offset
	}
	for tp, offset := range offsets {
		g.high[tp] = offset // also where the request fails: the broker may have taken it
	}
	// CommitOffsets looks at the error of each partition, which Client.OffsetCommit leaves to its caller.
	if err := g.gen.CommitOffsets(request); err != nil {
		if fenced(err) {
			g.end() // sooner than the next heartbeat
		}
		return g.commitError(err)
	}
	return nil
}

func (g *generation) commitError(err error) error {
	return fmt.Errorf("commit of group %s in generation %d: %w", g.gen.GroupID, g.gen.ID, g.s.c.explain(err))
}

// fenced says whether err means that the member is out of its generation: 22 from a generation before, 25 from a member
// that the group has put out.
func fenced(err error) bool {
	return errors.Is(err, kafka.IllegalGeneration) || errors.Is(err, kafka.UnknownMemberId)
}

func (g *generation) Ended() <-chan struct{} { return g.ended }

func (g *generation) end() { g.endOnce.Do(func() { close(g.ended) }) }

// Release gives the assignment back. It waits for a Commit that is under way.
func (g *generation) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end()
	if !g.isReleased() {
		close(g.released)
	}
}

func (g *generation) isReleased() bool {
	select {
	case <-g.released:
		return true
	default:
		return false
	}
}
