package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/consumer"
)

func TestMissingTopicsAreNamed(t *testing.T) {
	t.Parallel()
	topic, missing, c := newTopic(t, 1), newName(t), newClient(t)
	s := newSource(t, c, SourceConfig{Group: topic, Topics: []string{topic, missing}})
	began := time.Now()
	for range 2 {
		_, err := s.Next(t.Context())
		var m *MissingTopicsError
		if !errors.As(err, &m) || !slices.Equal(m.Topics, []string{missing}) {
			t.Fatalf("got %v, want a MissingTopicsError with %s", err, missing)
		}
	}
	if took := time.Since(began); took < joinBackoff {
		t.Errorf("two calls took %v: a loop of them would be hot", took)
	}
	if topics, err := c.Topics(t.Context(), missing); err != nil || len(topics) != 0 {
		t.Errorf("the topic exists after it was asked for: %v, %v", topics, err)
	}
	createTopicAt(t, brokerAddr, missing, 2)
	if g := nextGeneration(t, s); len(g.Assignments()) != 3 {
		t.Errorf("got %q, want 3 partitions", assigned(g))
	}
}

// share lets two members drain and come back until done says that the partitions are shared as it wants.
func share(t *testing.T, members [2]*Source, done func(counts [2]int) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
	defer cancel()
	type turn struct{ member, partitions int }
	turns := make(chan turn)
	var wg sync.WaitGroup
	for i, s := range members {
		wg.Go(func() {
			for ctx.Err() == nil {
				g, err := s.Next(ctx)
				if err != nil {
					continue
				}
				select {
				case turns <- turn{i, len(g.Assignments())}:
				case <-ctx.Done():
				}
				select {
				case <-g.Ended():
				case <-ctx.Done():
				}
				g.Release()
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	var counts [2]int
	for !done(counts) {
		select {
		case tn := <-turns:
			counts[tn.member] = tn.partitions
		case <-ctx.Done():
			t.Fatalf("after 45 s the members own %v partitions", counts)
		}
	}
}

func TestAddedPartitionsGetAnOwner(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 2)
	cfg := SourceConfig{Group: topic, Topics: []string{topic}}
	added := false
	share(t, [2]*Source{newSource(t, newClient(t), cfg), newSource(t, newClient(t), cfg)}, func(counts [2]int) bool {
		if !added && counts == [2]int{1, 1} {
			added = true
			req := kmsg.NewPtrCreatePartitionsRequest()
			rt := kmsg.NewCreatePartitionsRequestTopic()
			rt.Topic, rt.Count = topic, 5
			req.Topics = append(req.Topics, rt)
			if r, err := req.RequestWith(t.Context(), newKgo(t, brokerAddr)); err != nil || r.Topics[0].ErrorCode != 0 {
				t.Error(r, err)
			}
		}
		return counts[0]+counts[1] == 5 && counts[0] > 0 && counts[1] > 0
	})
}

// More members than partitions: one of them has nothing, and that is no fault.
func TestAMemberWithoutPartitionsStays(t *testing.T) {
	t.Parallel()
	topic := newTopic(t, 1)
	cfg := SourceConfig{Group: topic, Topics: []string{topic}}
	a, b := newSource(t, newClient(t), cfg), newSource(t, newClient(t), cfg)
	ga := nextGeneration(t, a)
	second := make(chan consumer.Generation, 1)
	go func() { second <- nextGeneration(t, b) }()
	ended(t, ga)
	ga.Release()
	ga, gb := nextGeneration(t, a), <-second
	if n := len(ga.Assignments()) + len(gb.Assignments()); n != 1 {
		t.Fatalf("two members own %d partitions, want 1", n)
	}
	for _, g := range []consumer.Generation{ga, gb} {
		unowned, _, err := g.(*generation).unowned(t.Context())
		if err != nil || len(unowned) != 0 {
			t.Errorf("unowned %v, %v; want none", unowned, err)
		}
	}
}

func TestStartAtTheLatest(t *testing.T) {
	t.Parallel()
	topic, c := newTopic(t, 2), newClient(t)
	produce(t, brokerAddr, numbered(topic, 0, 0, 3)...)
	cfg := SourceConfig{Group: topic, Topics: []string{topic}, StartOffset: StartLatest}
	s := newSource(t, c, cfg)
	g := nextGeneration(t, s)
	if got := assigned(g); got != "0@3 1@0" {
		t.Errorf("a new group got %q, want the ends of the logs 0@3 1@0", got)
	}
	// It leaves without a commit of its own: what comes now must not be lost to another "latest".
	g.Release()
	s.Close()
	produce(t, brokerAddr, numbered(topic, 0, 3, 2)...)
	s = newSource(t, c, cfg)
	g = nextGeneration(t, s)
	if got := assigned(g); got != "0@3 1@0" {
		t.Errorf("the group came back to %q, want 0@3 1@0", got)
	}
	g.Release()
	s.Close()
	// A partition that is new to a group that has commits starts at the earliest.
	second := newTopic(t, 1)
	produce(t, brokerAddr, numbered(second, 0, 0, 4)...)
	cfg.Topics = append(cfg.Topics, second)
	g = nextGeneration(t, newSource(t, c, cfg))
	for _, a := range g.Assignments() {
		if a.Topic == second && a.Offset != 0 {
			t.Errorf("the new topic starts at %d, want 0", a.Offset)
		}
	}
}
