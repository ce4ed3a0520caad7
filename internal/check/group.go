package check

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/broker"
)

// groupInterval is the time between two questions for a group that is on its way to another broker.
const groupInterval = 200 * time.Millisecond

// describeGroup asks for a group, again where Kafka says that it cannot tell just now: a cluster that was never asked for
// a group has no coordinator for its first seconds.
func describeGroup(ctx context.Context, client *broker.Client, name string) (broker.Group, error) {
	for {
		g, err := client.Group(ctx, name)
		if !passing(err) {
			return g, err
		}
		timer := time.NewTimer(groupInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return g, err
		case <-timer.C:
		}
	}
}

// passing says whether Kafka itself calls its refusal temporary.
func passing(err error) bool {
	var no interface {
		refusal
		Temporary() bool
	}
	return errors.As(err, &no) && no.Temporary()
}

// group says who is in the consumer group. The embedded ledger serves one worker.
func (r *run) group(ctx context.Context, client *broker.Client) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	name := r.Config.Kafka.GroupID
	g, err := describeGroup(ctx, client, name)
	switch {
	case passing(err):
		r.warn("group "+name+": "+r.kafkaRefusal(err), "try again: the brokers have just started, or are moving the group")
	case err != nil:
		message, advice := r.beyond(err, "let the worker's user read the group, or correct kafka.group_id")
		r.fail(Unreachable, "group "+name+": "+message, advice)
	case len(g.Members) > 1 && r.Config.Dedup.Store == "sqlite":
		r.warn(fmt.Sprintf("group %s has %d members, and each embedded ledger knows only what its own worker delivered", name, len(g.Members)),
			"run one worker in this group")
	default:
		r.ok("group %s: %s", name, count(len(g.Members), "member"))
	}
}
