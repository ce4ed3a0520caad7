package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

// Where a group starts that has no commit at all.
const (
	StartEarliest = "earliest"
	StartLatest   = "latest"
)

const (
	// joinBackoff is the wait after a failed join. kafka-go's default of 5 s makes the first join of a fresh cluster take
	// 5 s, whose coordinator answers with errors 15, 16 and 14 for about 0.1 s.
	joinBackoff = time.Second

	// leaveTimeout bounds each of the two steps of leaving: in good order, then with the connections cut. A join that
	// waits for the drain of another member does not end by itself before the rebalance time-out: 7 s were seen, up to
	// rebalance time-out + 5 s are possible.
	leaveTimeout = 5 * time.Second

	// ownershipInterval is how often a member looks whether each partition has an owner.
	ownershipInterval = 5 * time.Second
)

// SourceConfig says which group to join, and how.
type SourceConfig struct {
	Group       string
	Topics      []string
	StartOffset string // StartEarliest (default) or StartLatest, for a group that has no commit at all

	SessionTimeout    time.Duration // a member that is silent for longer is out; default 10 s
	HeartbeatInterval time.Duration // default 1 s
	RebalanceTimeout  time.Duration // how long a rebalance waits for a member that drains; default 60 s

	// OneHost is for a member whose memory is on its own host: with a member of another host in the group it consumes
	// nothing, and Next returns a ForeignMemberError as long as that is so.
	OneHost bool

	Log *slog.Logger // says what the source does about faults of the group; nil: nothing
}

// ErrClosed says that the Source was closed.
var ErrClosed = errors.New("left the group")

// Source is a membership in a consumer group. It implements consumer.Source.
type Source struct {
	c   *Client
	cfg SourceConfig

	ctx    context.Context // ends with Close, to end a Next that waits
	cancel context.CancelFunc

	mu        sync.Mutex // held by Next and Close: one of them at a time
	group     *kafka.ConsumerGroup
	conns     *connections // those of group
	current   *generation
	notBefore time.Time // no join before, after a failure

	ownershipEvery time.Duration
}

var _ consumer.Source = (*Source)(nil)

// NewSource checks cfg. It does not connect.
func (c *Client) NewSource(cfg SourceConfig) (*Source, error) {
	if cfg.Group == "" || len(cfg.Topics) == 0 {
		return nil, errors.New("kafka: a consumer group needs a name and at least one topic")
	}
	switch cfg.StartOffset {
	case "":
		cfg.StartOffset = StartEarliest
	case StartEarliest, StartLatest:
	default:
		return nil, fmt.Errorf("kafka: unknown start offset %q: use earliest or latest", cfg.StartOffset)
	}
	if cfg.SessionTimeout <= 0 {
		cfg.SessionTimeout = 10 * time.Second
	}
	if cfg.HeartbeatInterval <= 0 {
		cfg.HeartbeatInterval = time.Second
	}
	if cfg.RebalanceTimeout <= 0 {
		cfg.RebalanceTimeout = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Source{c: c, cfg: cfg, ownershipEvery: ownershipInterval}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Next waits for the next generation. The one before must have been released.
//
// It returns a MissingTopicsError as long as one of the topics does not exist. After an error the caller just calls it
// again: it waits by itself, so that the group is joined at most once a second.
func (s *Source) Next(ctx context.Context) (consumer.Generation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.pause(ctx); err != nil {
		return nil, s.nextError(err)
	}
	g, err := s.next(ctx)
	if err != nil {
		s.notBefore = time.Now().Add(joinBackoff)
		return nil, s.nextError(err)
	}
	return g, nil
}

func (s *Source) pause(ctx context.Context) error {
	timer := time.NewTimer(time.Until(s.notBefore))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Source) nextError(err error) error {
	if s.ctx.Err() != nil {
		return fmt.Errorf("group %s: %w", s.cfg.Group, ErrClosed)
	}
	if errors.Is(err, kafka.InvalidSessionTimeout) {
		err = fmt.Errorf("%w: kafka.session_timeout is %v, outside what the brokers allow "+
			"(group.min.session.timeout.ms and group.max.session.timeout.ms: 6 s to 30 min by default)", err, s.cfg.SessionTimeout)
	}
	return fmt.Errorf("group %s: %w", s.cfg.Group, err)
}

func (s *Source) next(ctx context.Context) (*generation, error) {
	if s.current != nil && !s.current.isReleased() {
		return nil, errors.New("the generation before was not released")
	}
	// Before each generation: a group of a topic that is missing gets empty assignments, and often keeps them when the
	// topic appears (8 of 12 runs).
	if err := s.checkTopics(ctx); err != nil {
		return nil, err
	}
	s.finish()
	if s.group == nil {
		if err := s.checkHosts(ctx, ""); err != nil {
			return nil, err
		}
		if err := s.fixStart(ctx); err != nil {
			return nil, err
		}
		if err := s.join(); err != nil {
			return nil, err
		}
	}
	for {
		gen, err := s.group.Next(ctx)
		if errors.Is(err, kafka.RebalanceInProgress) {
			continue // another rebalance began before this one was over; the broker makes the next join wait
		}
		if err != nil {
			return nil, fmt.Errorf("join: %w", s.c.explain(err))
		}
		g := newGeneration(s, gen)
		s.current = g
		if err := s.checkHosts(ctx, gen.MemberID); err != nil {
			g.Release()
			g.leave.Store(true)
			s.finish() // it must not keep partitions that it does not consume
			return nil, err
		}
		if err := g.locate(ctx); err != nil {
			g.Release()
			return nil, err
		}
		return g, nil
	}
}

// finish lets go of the generation before, so that kafka-go joins again, or leaves the group where that is needed.
func (s *Source) finish() {
	g := s.current
	if g == nil {
		return
	}
	s.current = nil
	if g.leave.Load() {
		s.leave()
	}
	close(g.yield)
}

// checkTopics leaves the group where a topic is missing: a member without partitions of its own must not stay in it.
func (s *Source) checkTopics(ctx context.Context) error {
	topics, err := s.c.Topics(ctx, s.cfg.Topics...)
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range s.cfg.Topics {
		if _, ok := topics[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	s.leave()
	slices.Sort(missing)
	return &MissingTopicsError{Topics: slices.Compact(missing)}
}

func (s *Source) join() error {
	conns := newConnections(s.c.conns.Dial)
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID:                s.cfg.Group,
		Brokers:           s.c.cfg.Brokers,
		Dialer:            s.c.dialer(conns),
		Topics:            s.cfg.Topics,
		StartOffset:       kafka.FirstOffset,
		SessionTimeout:    s.cfg.SessionTimeout,
		HeartbeatInterval: s.cfg.HeartbeatInterval,
		RebalanceTimeout:  s.cfg.RebalanceTimeout,
		JoinGroupBackoff:  joinBackoff,
		// WatchPartitionChanges stays off. With it a topic that goes away makes 440 generations a second, it misses
		// partitions that are added between the assignment and its own first look, and it asks for metadata in the way
		// that makes brokers create missing topics. generation.watch does what it is for.
	})
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	s.group, s.conns = group, conns
	return nil
}

// Close leaves the group. A generation that was not released yet is released. It takes 10 s at most, where the broker
// does not answer; then the group learns of it when the session time-out is over.
func (s *Source) Close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.Release()
	}
	s.leave()
	return nil
}

// leave leaves the group in good order where that is possible within leaveTimeout.
func (s *Source) leave() {
	if s.group == nil {
		return
	}
	group, conns := s.group, s.conns
	s.group, s.conns = nil, nil
	left := make(chan struct{})
	go func() {
		defer close(left)
		group.Close()
	}()
	for _, next := range []func(){
		conns.Cut,   // ends a join that waits; the leave request dials anew
		conns.Close, // nothing more goes out
	} {
		timer := time.NewTimer(leaveTimeout)
		select {
		case <-left:
			timer.Stop()
			conns.Close()
			return
		case <-timer.C:
			next()
		}
	}
	<-left
}
