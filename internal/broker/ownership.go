package broker

import (
	"context"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/toprelay/worker/internal/consumer"
)

// watch looks, while the generation lives, whether each partition of the topics has an owner. Partitions lose theirs
// when they are added, when the assignment was made before a topic was there for all brokers (members then stay
// without partitions for ever), and when a topic is gone. In all cases the cure is a new assignment. Leaving the group
// and joining it again makes one for sure; a join alone does not, for any member but the leader.
//
// The member with the lowest id does it. The second lowest follows if that has not helped by the next look, and so on.
func (g *generation) watch(ctx context.Context) {
	ticker := time.NewTicker(g.s.ownershipEvery)
	defer ticker.Stop()
	for seen := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-g.released:
			return
		case <-ticker.C:
		}
		unowned, rank, err := g.unowned(ctx)
		if err != nil || len(unowned) == 0 {
			seen = 0
			continue
		}
		if seen++; seen > rank {
			g.s.cfg.Log.Warn("partitions have no owner in the group: leaving it and joining again",
				"group", g.gen.GroupID, "partitions", len(unowned), "first_topic", unowned[0].Topic, "first_partition", unowned[0].Partition)
			g.leave.Store(true)
			g.end()
			return
		}
	}
}

// unowned lists the partitions that no member owns, and how many members have a lower id than this one. It lists none
// while the group rebalances.
func (g *generation) unowned(ctx context.Context) ([]consumer.TopicPartition, int, error) {
	group, err := g.s.c.Group(ctx, g.gen.GroupID)
	if err != nil {
		return nil, 0, err
	}
	rank := slices.IndexFunc(group.Members, func(m Member) bool { return m.ID == g.gen.MemberID })
	if group.State != "Stable" || rank < 0 {
		return nil, 0, nil
	}
	owned := map[consumer.TopicPartition]bool{}
	for _, m := range group.Members {
		if m.unreadable {
			return nil, rank, nil // what it owns is not known
		}
		for _, tp := range m.Owns {
			owned[tp] = true
		}
	}
	r, err := g.s.c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: g.s.cfg.Topics})
	if err != nil {
		return nil, 0, err
	}
	var unowned []consumer.TopicPartition
	for _, t := range r.Topics {
		if t.Error != nil || len(t.Partitions) == 0 {
			unowned = append(unowned, consumer.TopicPartition{Topic: t.Name}) // gone: Next will say so
		}
		for _, p := range t.Partitions {
			if tp := (consumer.TopicPartition{Topic: t.Name, Partition: p.ID}); !owned[tp] {
				unowned = append(unowned, tp)
			}
		}
	}
	return unowned, rank, nil
}
