package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// These faults cannot be asked of a real broker, so they run on a kfake of their own.
func newFaulty(t *testing.T, topic string) (*kfake.Cluster, *Client) {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster, newClientTo(t, cluster.ListenAddrs()[0])
}

func TestFetchErrorsOfTheBroker(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.OffsetNotAvailable} {
		cluster, c := newFaulty(t, "t")
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "t", Err: code})
		_, err := c.Fetch(t.Context(), consumer.TopicPartition{Topic: "t"}, 0)
		if !errors.Is(err, kafka.Error(code.Code)) || errors.Is(err, consumer.ErrOffsetOutOfRange) || !strings.Contains(err.Error(), "fetch t/0 from offset 0") {
			t.Errorf("%s: got %v", code.Message, err)
		}
		if _, err := c.Fetch(t.Context(), consumer.TopicPartition{Topic: "t"}, 0); err != nil {
			t.Errorf("%s: the fetch after it: %v", code.Message, err)
		}
	}
}

// Out of range counts also where the broker then does not say where the log is.
func TestFetchOutOfRangeWithoutPositions(t *testing.T) {
	t.Parallel()
	cluster, c := newFaulty(t, "t")
	cluster.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "t", Err: kerr.OffsetOutOfRange},
		kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: "t", Err: kerr.NotLeaderForPartition, Count: -1},
	)
	_, err := c.Fetch(t.Context(), consumer.TopicPartition{Topic: "t"}, 0)
	if !errors.Is(err, consumer.ErrOffsetOutOfRange) || strings.Contains(err.Error(), "log holds") {
		t.Errorf("got %v, want ErrOffsetOutOfRange without positions", err)
	}
}

func TestWriteRepeatsWhatMayPass(t *testing.T) {
	t.Parallel()
	cluster, c := newFaulty(t, "t")
	h := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: kerr.NotLeaderForPartition, Count: 2})
	if err := newWriter(t, c).Write(t.Context(), "t", 0, event.Record{Value: []byte("v")}); err != nil {
		t.Error(err)
	}
	if n := h.Hits(); n != 2 {
		t.Errorf("%d refusals, want 2", n)
	}
}

func TestWriteSaysWhyItGaveUp(t *testing.T) {
	t.Parallel()
	for _, code := range []*kerr.Error{kerr.NotEnoughReplicas, kerr.TopicAuthorizationFailed} {
		cluster, c := newFaulty(t, "t")
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "t", Err: code, Count: -1})
		err := newWriter(t, c).Write(t.Context(), "t", 1, event.Record{Value: []byte("v")})
		if !errors.Is(err, kafka.Error(code.Code)) || !strings.Contains(err.Error(), "write to t/1") {
			t.Errorf("got %v, want error %d with topic and partition", err, code.Code)
		}
	}
}

// The error of a partition comes inside a reply that is no error.
func TestCommitErrorsOfAPartition(t *testing.T) {
	t.Parallel()
	cluster, c := newFaulty(t, "t")
	g := nextGeneration(t, newSource(t, c, SourceConfig{Group: "g", Topics: []string{"t"}}))
	cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: "g", Topic: "t", Partitions: []int32{1}, Err: kerr.OffsetMetadataTooLarge})
	offsets := map[consumer.TopicPartition]int64{{Topic: "t"}: 1, {Topic: "t", Partition: 1}: 1}
	if err := g.Commit(t.Context(), offsets); !errors.Is(err, kafka.OffsetMetadataTooLarge) {
		t.Errorf("got %v, want error 12", err)
	}
	if err := g.Commit(t.Context(), offsets); err != nil {
		t.Errorf("the commit after it: %v", err)
	}
}

// A group whose assignment was made before the topic was there for all brokers stays without partitions, for ever: this
// member is given nothing although all partitions are free. It leaves, joins again and gets them.
func TestAnEmptyAssignmentHeals(t *testing.T) {
	t.Parallel()
	cluster, c := newFaulty(t, "t")
	cluster.ControlKey(int16(kmsg.SyncGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		for i := range r.(*kmsg.SyncGroupRequest).GroupAssignment {
			nothing := kmsg.NewConsumerMemberAssignment()
			r.(*kmsg.SyncGroupRequest).GroupAssignment[i].MemberAssignment = nothing.AppendTo(nil)
		}
		cluster.DropControl()
		return nil, nil, false
	})
	s := newSource(t, c, SourceConfig{Group: "g", Topics: []string{"t"}})
	g := nextGeneration(t, s)
	if n := len(g.Assignments()); n != 0 {
		t.Fatalf("the fault was not made: %d partitions", n)
	}
	ended(t, g)
	g.Release()
	if g := nextGeneration(t, s); len(g.Assignments()) != 2 {
		t.Errorf("after joining again: %q, want both partitions", assigned(g))
	}
}

// A topic that goes away ends the generation, and Next names it. The member waits outside of the group, without a hot
// loop, and comes back with the topic.
func TestATopicThatGoesAway(t *testing.T) {
	t.Parallel()
	cluster, c := newFaulty(t, "t")
	s := newSource(t, c, SourceConfig{Group: "g", Topics: []string{"t"}})
	g := nextGeneration(t, s)
	joins := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Observe: true})
	if err := cluster.DeleteTopic("t"); err != nil {
		t.Fatal(err)
	}
	ended(t, g)
	g.Release()
	var missing *MissingTopicsError
	for range 3 {
		if _, err := s.Next(t.Context()); !errors.As(err, &missing) {
			t.Fatalf("got %v, want a MissingTopicsError", err)
		}
	}
	if n := joins.Hits(); n != 0 {
		t.Errorf("%d joins without the topic", n)
	}
	if cluster.TopicInfo("t") != nil {
		t.Error("looking for the topic has created it")
	}
	if err := cluster.CreateTopic("t", 3, nil); err != nil {
		t.Fatal(err)
	}
	if g := nextGeneration(t, s); len(g.Assignments()) != 3 {
		t.Errorf("got %q, want 3 partitions", assigned(g))
	}
}

// The same address and folder: a worker goes on by itself, where the group had committed.
func TestRestartOfTheBroker(t *testing.T) {
	t.Parallel()
	start := func(listen, dir string) *embedded.Broker {
		b, err := embedded.Start(embedded.Options{Listen: listen, DataDir: dir, Topics: map[string]embedded.Topic{"t": {Partitions: 2}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	dir := t.TempDir()
	b := start("", dir)
	addr := b.Addrs()[0]
	c := newClientTo(t, addr)
	w := newWriter(t, c)
	for range 5 {
		if err := w.Write(t.Context(), "t", 0, event.Record{Value: []byte("before")}); err != nil {
			t.Fatal(err)
		}
	}
	s := newSource(t, c, SourceConfig{Group: "g", Topics: []string{"t"}})
	g := nextGeneration(t, s)
	commit(t, g, "t", 0, 3)
	b.Close()
	ended(t, g)
	if err := g.Commit(t.Context(), map[consumer.TopicPartition]int64{{Topic: "t"}: 4}); err == nil {
		t.Error("a commit to a broker that is away is no error")
	}
	g.Release()
	b = start(addr, dir)
	defer b.Close()
	g = nextGeneration(t, s)
	if got := assigned(g); got != "0@3 1@0" {
		t.Errorf("after the restart %q, want 0@3 1@0", got)
	}
	var batch consumer.Batch
	until(t, "fetches go through again", func() (err error) {
		batch, err = g.Fetch(t.Context(), consumer.TopicPartition{Topic: "t"}, 3)
		return err
	})
	if len(batch.Records) != 2 || string(batch.Records[0].Value) != "before" {
		t.Errorf("after the restart %d records, want the 2 that were not committed", len(batch.Records))
	}
	began := time.Now()
	until(t, "writes go through again", func() error { return w.Write(t.Context(), "t", 0, event.Record{Value: []byte("after")}) })
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the first write after the restart took %v", took)
	}
	commit(t, g, "t", 0, 5)
}

// Whether the topics' settings can be read later is seen from the broker's reason.
func TestSettingsThatAreNotTold(t *testing.T) {
	t.Parallel()
	for code, mayPass := range map[*kerr.Error]bool{
		kerr.TopicAuthorizationFailed: false, kerr.ClusterAuthorizationFailed: false, kerr.RequestTimedOut: true, kerr.NotController: true,
	} {
		cluster, c := newFaulty(t, "t")
		cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: code, Count: -1})
		_, err := c.Settings(t.Context(), "t")
		if err == nil || MayPass(err) != mayPass || !strings.Contains(err.Error(), "topic t") {
			t.Errorf("%s: got %v, may pass: %v, want %v", code.Message, err, MayPass(err), mayPass)
		}
	}
}
