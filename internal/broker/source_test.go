package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

func newSource(t *testing.T, c *Client, cfg SourceConfig) *Source {
	t.Helper()
	s, err := c.NewSource(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.ownershipEvery = 200 * time.Millisecond
	t.Cleanup(func() { s.Close() })
	return s
}

// nextGeneration waits for a generation, as the worker does: errors on the way are normal while a broker starts.
func nextGeneration(t *testing.T, s *Source) consumer.Generation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	for {
		g, err := s.Next(ctx)
		if err == nil {
			return g
		}
		if ctx.Err() != nil {
			t.Fatalf("no generation: %v", err)
		}
		t.Logf("on the way to a generation: %v", err)
	}
}

func assigned(g consumer.Generation) string {
	var s []string
	for _, a := range g.Assignments() {
		s = append(s, fmt.Sprintf("%d@%d", a.Partition, a.Offset))
	}
	return strings.Join(s, " ")
}

func ended(t *testing.T, g consumer.Generation) {
	t.Helper()
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case <-g.Ended():
	case <-timer.C:
		t.Fatal("the generation did not end within 30 s")
	}
}

func commit(t *testing.T, g consumer.Generation, topic string, partition int, offset int64) {
	t.Helper()
	if err := g.Commit(t.Context(), map[consumer.TopicPartition]int64{{Topic: topic, Partition: partition}: offset}); err != nil {
		t.Fatal(err)
	}
}

func TestSourceGoesOnWhereTheGroupHasCommitted(t *testing.T) {
	t.Parallel()
	topic, c := newTopic(t, 3), newClient(t)
	produce(t, brokerAddr, numbered(topic, 0, 0, 5)...)
	produce(t, brokerAddr, numbered(topic, 1, 0, 5)...)
	deleteRecords(t, brokerAddr, topic, 1, 2)
	s := newSource(t, c, SourceConfig{Group: topic, Topics: []string{topic}})
	g := nextGeneration(t, s)
	if got := assigned(g); got != "0@0 1@2 2@0" {
		t.Errorf("a new group got %q, want the starts of the logs 0@0 1@2 2@0", got)
	}
	b, err := g.Fetch(t.Context(), consumer.TopicPartition{Topic: topic, Partition: 1}, 2)
	if err != nil || len(b.Records) == 0 || string(b.Records[0].Value) != "v2" {
		t.Errorf("fetch from 2: %v, %d records", err, len(b.Records))
	}
	commit(t, g, topic, 0, 3)
	if err := g.Commit(t.Context(), map[consumer.TopicPartition]int64{{Topic: topic, Partition: 0}: 4, {Topic: topic, Partition: 1}: 5}); err != nil {
		t.Fatal(err)
	}
	commit(t, g, topic, 0, 4) // the same again renews the session
	g.Release()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	offsets, err := c.GroupOffsets(t.Context(), topic)
	want := map[consumer.TopicPartition]int64{{Topic: topic, Partition: 0}: 4, {Topic: topic, Partition: 1}: 5}
	if err != nil || !maps.Equal(offsets, want) {
		t.Errorf("committed %v, %v; want %v", offsets, err, want)
	}
	if group, err := c.Group(t.Context(), topic); err != nil || len(group.Members) != 0 {
		t.Errorf("after Close the group has %d members, %v; want none", len(group.Members), err)
	}
	g = nextGeneration(t, newSource(t, c, SourceConfig{Group: topic, Topics: []string{topic}}))
	if got := assigned(g); got != "0@4 1@5 2@0" {
		t.Errorf("the group came back to %q, want 0@4 1@5 2@0", got)
	}
}

func TestCommitRefuses(t *testing.T) {
	t.Parallel()
	topic, c := newTopic(t, 2), newClient(t)
	s := newSource(t, c, SourceConfig{Group: topic, Topics: []string{topic}})
	g := nextGeneration(t, s)
	commit(t, g, topic, 0, 10)
	for name, offsets := range map[string]map[consumer.TopicPartition]int64{
		"offset 9 is before 10": {{Topic: topic, Partition: 0}: 9},
		"is not assigned":       {{Topic: topic, Partition: 7}: 1},
		"offset 5 is before":    {{Topic: topic, Partition: 1}: 20, {Topic: topic, Partition: 0}: 5},
	} {
		err := g.Commit(t.Context(), offsets)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), topic) {
			t.Errorf("got %v, want an error with %q and the group", err, name)
		}
	}
	g.Release()
	if err := g.Commit(t.Context(), map[consumer.TopicPartition]int64{{Topic: topic}: 11}); !errors.Is(err, ErrReleased) {
		t.Errorf("after Release: got %v, want ErrReleased", err)
	}
	offsets, err := c.GroupOffsets(t.Context(), topic)
	if want := (map[consumer.TopicPartition]int64{{Topic: topic}: 10}); err != nil || !maps.Equal(offsets, want) {
		t.Errorf("committed %v, %v; want %v: a refused commit changes nothing", offsets, err, want)
	}
}

func TestTwoMembersShareAndHandOver(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 4)
	cfg := SourceConfig{Group: topic, Topics: []string{topic}}
	a, b := newSource(t, newClient(t), cfg), newSource(t, newClient(t), cfg)
	ga := nextGeneration(t, a)
	if n := len(ga.Assignments()); n != 4 {
		t.Fatalf("the first member got %d partitions, want all 4", n)
	}
	second := make(chan consumer.Generation, 1)
	go func() { second <- nextGeneration(t, b) }()
	ended(t, ga)
	// The rebalance waits for this one to drain: commits still count.
	for p := range 4 {
		commit(t, ga, topic, p, int64(10+p))
	}
	ga.Release()
	ga2, gb := nextGeneration(t, a), <-second
	var all []string
	for _, g := range []consumer.Generation{ga2, gb} {
		if n := len(g.Assignments()); n != 2 {
			t.Errorf("a member of two got %d of 4 partitions", n)
		}
		all = append(all, strings.Fields(assigned(g))...)
	}
	slices.Sort(all)
	if want := []string{"0@10", "1@11", "2@12", "3@13"}; !slices.Equal(all, want) {
		t.Errorf("the members own %v, want %v", all, want)
	}
	// The other one leaves: this one gets its partitions back.
	gb.Release()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, ga2)
	ga2.Release()
	if g := nextGeneration(t, a); len(g.Assignments()) != 4 {
		t.Errorf("the member that stayed owns %q", assigned(g))
	}
}

// A member that is put out of the group while it drains must not commit any more: its partitions have another owner.
func TestCommitOfAMemberThatWasPutOutIsRefused(t *testing.T) {
	t.Parallel()
	topic, c := newTopic(t, 1), newClient(t)
	slow := newSource(t, c, SourceConfig{Group: topic, Topics: []string{topic}, RebalanceTimeout: time.Second})
	old := nextGeneration(t, slow)
	other := newSource(t, newClient(t), SourceConfig{Group: topic, Topics: []string{topic}, RebalanceTimeout: time.Second})
	g := nextGeneration(t, other) // comes when the rebalance time-out of the slow one is over
	if len(g.Assignments()) != 1 {
		t.Fatalf("the other member got %q", assigned(g))
	}
	commit(t, g, topic, 0, 7)
	err := old.Commit(t.Context(), map[consumer.TopicPartition]int64{{Topic: topic}: 9})
	if !errors.Is(err, kafka.IllegalGeneration) && !errors.Is(err, kafka.UnknownMemberId) {
		t.Errorf("got %v, want a refusal with 22 or 25", err)
	}
	ended(t, old)
	old.Release()
	offsets, err := c.GroupOffsets(t.Context(), topic)
	if err != nil || offsets[consumer.TopicPartition{Topic: topic}] != 7 {
		t.Errorf("committed %v, %v; want the owner's 7", offsets, err)
	}
}

// kafka-go's heartbeats stop when a rebalance begins. A drain that is longer than the session time-out, and has nothing
// to commit, must not cost the membership.
func TestDrainOutlastsTheSession(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	cfg := SourceConfig{Group: topic, Topics: []string{topic}, SessionTimeout: 3 * time.Second, HeartbeatInterval: 300 * time.Millisecond, RebalanceTimeout: 30 * time.Second}
	a, b := newSource(t, newClient(t), cfg), newSource(t, newClient(t), cfg)
	ga := nextGeneration(t, a)
	joined := make(chan struct{})
	go func() {
		defer close(joined)
		nextGeneration(t, b).Release()
	}()
	ended(t, ga)
	drain := time.NewTimer(cfg.SessionTimeout + time.Second)
	defer drain.Stop()
	select {
	case <-drain.C:
	case <-joined:
		t.Error("the other member did not wait for the drain")
	}
	commit(t, ga, topic, 0, 5)
	ga.Release()
	nextGeneration(t, a).Release()
	<-joined
}

// A join waits for the drain of another member, here for as long as the test likes. Close must not.
func TestCloseDoesNotWaitForAJoin(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	cfg := SourceConfig{Group: topic, Topics: []string{topic}, RebalanceTimeout: 2 * time.Minute}
	ga := nextGeneration(t, newSource(t, newClient(t), cfg))
	b := newSource(t, newClient(t), cfg)
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		_, _ = b.Next(ctx)
	}()
	ended(t, ga) // the other one is in its join
	cancel()
	<-waiting
	within(t, 2*leaveTimeout, "Close", func(context.Context) { b.Close() })
	ga.Release()
}

func TestNextWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	c := newClientTo(t, "127.0.0.1:1")
	s := newSource(t, c, SourceConfig{Group: "g", Topics: []string{"t"}})
	began := time.Now()
	for range 2 {
		if _, err := s.Next(t.Context()); err == nil || !strings.Contains(err.Error(), "group g") {
			t.Fatalf("got %v, want an error with the group", err)
		}
	}
	if took := time.Since(began); took < joinBackoff {
		t.Errorf("two calls took %v: a loop of them would be hot", took)
	}
	s.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v, want ErrClosed", err)
	}
}

func TestNextWantsTheGenerationBeforeReleased(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	s := newSource(t, newClient(t), SourceConfig{Group: topic, Topics: []string{topic}})
	g := nextGeneration(t, s)
	if _, err := s.Next(t.Context()); err == nil {
		t.Error("two generations at a time")
	}
	g.Release()
	if g2 := nextGeneration(t, s); len(g2.Assignments()) != 1 {
		t.Errorf("after a voluntary Release: %q", assigned(g2))
	}
}

func TestNewSourceRefuses(t *testing.T) {
	c := newClient(t)
	for _, cfg := range []SourceConfig{{}, {Group: "g"}, {Topics: []string{"t"}}, {Group: "g", Topics: []string{"t"}, StartOffset: "middle"}} {
		if _, err := c.NewSource(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
