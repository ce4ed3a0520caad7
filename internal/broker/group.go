package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/describegroups"

	"github.com/toprelay/worker/internal/consumer"
)

// Member is one member of a consumer group.
type Member struct {
	ID       string
	ClientID string
	Host     string                    // as the broker sees it: "/10.1.2.3", or "10.1.2.3" with some brokers
	Owns     []consumer.TopicPartition // sorted by topic and partition

	unreadable bool // its assignment has a form of its own
}

// Group is the state of a consumer group.
type Group struct {
	State   string // "Stable", "PreparingRebalance", "CompletingRebalance", "Empty" or "Dead"
	Members []Member
}

// Group describes a consumer group. One that does not exist is Dead and has no members.
//
// It reads the assignments by itself: kafka-go's DescribeGroups fails with "unexpected EOF" where a member of another
// client library (seen with franz-go) describes itself with less than kafka-go's own members do.
func (c *Client) Group(ctx context.Context, group string) (Group, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	m, err := c.round.RoundTrip(ctx, c.addr, &describegroups.Request{Groups: []string{group}})
	var found describegroups.ResponseGroup
	if err == nil {
		r, ok := m.(*describegroups.Response)
		if !ok || len(r.Groups) != 1 {
			err = errors.New("the reply is not about the group that was asked for")
		} else if found = r.Groups[0]; found.ErrorCode != 0 {
			err = kafka.Error(found.ErrorCode)
		}
	}
	if errors.Is(err, kafka.GroupIdNotFound) {
		return Group{State: "Dead"}, nil
	}
	if err != nil {
		return Group{}, fmt.Errorf("members of group %s: %w", group, c.explain(err))
	}
	g := Group{State: found.GroupState}
	for _, m := range found.Members {
		member := Member{ID: m.MemberID, ClientID: m.ClientID, Host: m.ClientHost}
		member.Owns, member.unreadable = readAssignment(m.MemberAssignment)
		g.Members = append(g.Members, member)
	}
	slices.SortFunc(g.Members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return g, nil
}

// readAssignment reads the partitions of an assignment of the protocol type "consumer": version, topics with their
// partitions, and then what the versions and the assignors add. It is empty while the group rebalances.
func readAssignment(b []byte) (owns []consumer.TopicPartition, unreadable bool) {
	if len(b) == 0 {
		return nil, false
	}
	w := wire{rest: b}
	w.int16() // version
	for range w.int32() {
		topic := string(w.text(int(w.int16())))
		for range w.int32() {
			if p := w.int32(); !w.failed {
				owns = append(owns, consumer.TopicPartition{Topic: topic, Partition: int(p)})
			}
			if w.failed {
				return nil, true
			}
		}
		if w.failed {
			return nil, true
		}
	}
	slices.SortFunc(owns, comparePartitions)
	return owns, w.failed
}
