package broker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// brokerAddr is the broker that the suite runs on: the one of TOPRELAY_TEST_KAFKA, else an embedded one.
var brokerAddr string

func TestMain(m *testing.M) {
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	brokerAddr = os.Getenv("TOPRELAY_TEST_KAFKA")
	stop := func() {}
	if brokerAddr == "" {
		b, err := embedded.Start(embedded.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		brokerAddr, stop = b.Addrs()[0], b.Close
	}
	code := m.Run()
	stop()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

// newClient makes a client that follows the cluster closely, and closes it with the test.
func newClient(t *testing.T) *Client {
	t.Helper()
	return newClientTo(t, brokerAddr)
}

func newClientTo(t *testing.T, addr string) *Client {
	t.Helper()
	c, err := NewClient(Config{Brokers: []string{addr}, MetadataTTL: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// newKgo makes a client that is not kafka-go, to write and read what the package under test reads and writes.
func newKgo(t *testing.T, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var names atomic.Int64

// newName is a topic or group that no other test and no earlier run has used.
func newName(t *testing.T) string {
	name := strings.NewReplacer("/", "-", "#", "-").Replace(t.Name())
	return fmt.Sprintf("%.150s-%d-%d", name, time.Now().UnixNano(), names.Add(1))
}

// newTopic creates a topic and waits until its partitions have leaders, which takes a real broker some milliseconds.
func newTopic(t *testing.T, partitions int, settings ...string) string {
	t.Helper()
	return newTopicAt(t, brokerAddr, partitions, settings...)
}

func newTopicAt(t *testing.T, addr string, partitions int, settings ...string) string {
	t.Helper()
	name := newName(t)
	createTopicAt(t, addr, name, partitions, settings...)
	return name
}

func createTopicAt(t *testing.T, addr, name string, partitions int, settings ...string) {
	t.Helper()
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, int32(partitions), 1
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		rc := kmsg.NewCreateTopicsRequestTopicConfig()
		rc.Name, rc.Value = k, kmsg.StringPtr(v)
		rt.Configs = append(rt.Configs, rc)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics = append(req.Topics, rt)
	k := newKgo(t, addr)
	r, err := req.RequestWith(t.Context(), k)
	if err == nil && r.Topics[0].ErrorCode != 0 {
		err = fmt.Errorf("error %d", r.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("create topic: %v", err)
	}
	until(t, "the partitions have leaders", func() error {
		c, err := NewClient(Config{Brokers: []string{addr}})
		if err != nil {
			return err
		}
		defer c.Close()
		for p := range partitions {
			if _, err := c.Spans(t.Context(), consumer.TopicPartition{Topic: name, Partition: p}); err != nil {
				return err
			}
		}
		return nil
	})
}

// until repeats check while the broker, another process that gives no signal, gets there.
func until(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			t.Fatalf("waited 30 s until %s: %v", what, err)
		}
	}
}

// produce writes records with kgo, in order, each in a batch of its own.
func produce(t *testing.T, addr string, records ...*kgo.Record) {
	t.Helper()
	k := newKgo(t, addr)
	for _, r := range records {
		if err := k.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// numbered are n records "v<first>" and up.
func numbered(topic string, partition, first, n int) []*kgo.Record {
	var rs []*kgo.Record
	for i := range n {
		rs = append(rs, &kgo.Record{Topic: topic, Partition: int32(partition), Value: fmt.Appendf(nil, "v%d", first+i)})
	}
	return rs
}

// readUntil fetches from offset on until end, and returns the records and how many were skipped.
func readUntil(t *testing.T, c *Client, tp consumer.TopicPartition, offset, end int64) (records []event.Record, skipped int) {
	t.Helper()
	fetches := 0
	for offset < end {
		if fetches++; fetches > 1000 {
			t.Fatalf("no end after 1000 fetches, at offset %d of %d", offset, end)
		}
		b, err := c.Fetch(t.Context(), tp, offset)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, b.Records...)
		skipped += b.Skipped
		offset = b.Next
	}
	return records, skipped
}

func endOf(t *testing.T, c *Client, tp consumer.TopicPartition) int64 {
	t.Helper()
	spans, err := c.Spans(t.Context(), tp)
	if err != nil {
		t.Fatal(err)
	}
	return spans[tp].End
}

func deleteRecords(t *testing.T, addr, topic string, partition int, before int64) {
	t.Helper()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = int32(partition), before
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, rp)
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = append(req.Topics, rt)
	r, err := req.RequestWith(t.Context(), newKgo(t, addr))
	if err == nil && r.Topics[0].Partitions[0].ErrorCode != 0 {
		err = fmt.Errorf("error %d", r.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("delete records: %v", err)
	}
}

func describe(b []byte) string {
	if b == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", b)
}

// within fails the test where f takes longer than d, with what it waited for.
func within(t *testing.T, d time.Duration, what string, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		<-done
		t.Fatalf("%s took longer than %v", what, d)
	}
}
