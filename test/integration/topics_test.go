package integration

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// connect makes the test's own clients to the broker.
func (r *relay) connect() {
	r.t.Helper()
	var err error
	r.client, err = broker.NewClient(broker.Config{Brokers: []string{r.setup.broker}})
	r.must(err)
	r.t.Cleanup(r.client.Close)
	r.writer = r.client.NewWriter()
	r.t.Cleanup(r.writer.Close)
}

// create makes a topic and waits until each partition has a leader.
func (r *relay) create(name string, s broker.Settings) {
	r.t.Helper()
	r.must(r.client.CreateTopic(r.ctx(), broker.NewTopic{Topic: broker.Topic{Name: name, Partitions: r.setup.partitions, Replicas: 1}, Settings: s}))
	r.until("topic "+name+" has leaders", func() error {
		_, err := r.client.Spans(r.ctx(), r.parts(name)...)
		return err
	})
}

// parts are the partitions of a topic.
func (r *relay) parts(topics ...string) []consumer.TopicPartition {
	var all []consumer.TopicPartition
	for _, topic := range topics {
		for p := range r.setup.partitions {
			all = append(all, consumer.TopicPartition{Topic: topic, Partition: p})
		}
	}
	return all
}

// publish writes events to the topic for status changes, or to their own, in order.
func (r *relay) publish(events ...*ev) {
	r.t.Helper()
	out := make([]broker.Outgoing, len(events))
	for i, e := range events {
		if e.topic == "" {
			e.topic = r.status()
		}
		e.record.Headers = append(e.record.Headers, place())
		out[i] = broker.Outgoing{Topic: e.topic, Partition: e.partition, Record: e.record}
	}
	for i, err := range r.writer.WriteAll(r.ctx(), out) {
		if err != nil {
			r.t.Fatalf("publish event %d of %d: %v", i, len(events), err)
		}
	}
	r.published = append(r.published, events...)
}

// placeHeader tells published records apart, so that the oracle finds where each one lies.
const placeHeader = "x-place"

// place is the next of those headers. All have one size.
func place() event.Header {
	return event.Header{Key: placeHeader, Value: fmt.Appendf(nil, "%09d", counter.Add(1))}
}

// read returns all records that are in a topic now, by partition and offset.
func (r *relay) read(topic string) []event.Record {
	r.t.Helper()
	spans, err := r.client.Spans(r.ctx(), r.parts(topic)...)
	r.must(err)
	var all []event.Record
	for _, tp := range r.parts(topic) {
		for next := spans[tp].Start; next < spans[tp].End; { // a fetch at the end would wait
			b, err := r.client.Fetch(r.ctx(), tp, next)
			r.must(err)
			all = append(all, b.Records...)
			next = b.Next
		}
	}
	return all
}

// letters are the records of the dead-letter topic.
func (r *relay) letters() []event.Record {
	r.t.Helper()
	return r.read(r.dead())
}

// lag is what the group has not committed of the consumed topics.
func (r *relay) lag() int64 {
	r.t.Helper()
	committed, err := r.client.GroupOffsets(r.ctx(), r.name)
	r.must(err)
	spans, err := r.client.Spans(r.ctx(), r.parts(r.consumed()...)...)
	r.must(err)
	var lag int64
	for tp, span := range spans {
		lag += span.End - committed[tp]
	}
	return lag
}

// consumed are the topics that hold events.
func (r *relay) consumed() []string { return []string{r.status(), r.work()} }

// awaitLag polls until the group's lag is n.
func (r *relay) awaitLag(n int64) {
	r.t.Helper()
	r.until(fmt.Sprintf("the lag is %d", n), func() error {
		if lag := r.lag(); lag != n {
			return fmt.Errorf("it is %d", lag)
		}
		return nil
	})
}

// other is a client of another make: for transactions, large records, settings, and to read what kafka-go wrote.
func (r *relay) other(opts ...kgo.Opt) *kgo.Client {
	r.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.setup.broker), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
	r.must(err)
	r.t.Cleanup(c.Close)
	return c
}

// remove deletes a topic and waits until it is gone.
func (r *relay) remove(topic string) {
	r.t.Helper()
	t := kmsg.NewDeleteTopicsRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Topics, req.TopicNames = append(req.Topics, t), []string{topic}
	req.TimeoutMillis = 10_000
	resp, err := req.RequestWith(r.ctx(), r.other())
	if err == nil && resp.Topics[0].ErrorCode != 0 {
		err = fmt.Errorf("delete topic %s: error %d", topic, resp.Topics[0].ErrorCode)
	}
	r.must(err)
	r.until("topic "+topic+" is gone", func() error {
		topics, err := r.client.Topics(r.ctx(), topic)
		if err == nil && len(topics) > 0 {
			err = fmt.Errorf("it is still there")
		}
		return err
	})
}

// alter changes a setting of a topic.
func (r *relay) alter(topic, name, value string) {
	r.t.Helper()
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, kmsg.StringPtr(value)
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName, res.Configs = kmsg.ConfigResourceTypeTopic, topic, append(res.Configs, c)
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	req.Resources = append(req.Resources, res)
	resp, err := req.RequestWith(r.ctx(), r.other())
	if err == nil && resp.Resources[0].ErrorCode != 0 {
		err = fmt.Errorf("alter %s of %s: error %d", name, topic, resp.Resources[0].ErrorCode)
	}
	r.must(err)
}

// forgetCommits deletes the group, which has no members.
func (r *relay) forgetCommits() error {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{r.name}
	resp, err := req.RequestWith(r.ctx(), r.other())
	if err == nil && resp.Groups[0].ErrorCode != 0 {
		err = fmt.Errorf("delete group %s: error %d", r.name, resp.Groups[0].ErrorCode)
	}
	return err
}
