package broker

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// BenchmarkFetch reads small records, as events in binary mode, from the broker of the suite.
func BenchmarkFetch(b *testing.B) {
	const n = 100_000
	k, err := kgo.NewClient(kgo.SeedBrokers(brokerAddr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	c, err := NewClient(Config{Brokers: []string{brokerAddr}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for name, headers := range map[string]int{"headers=0": 0, "headers=7": 7} {
		b.Run(name, func(b *testing.B) {
			topic := fmt.Sprintf("bench-%s-%d-%d", name[8:], b.N, names.Add(1))
			create := kmsg.NewPtrCreateTopicsRequest()
			rt := kmsg.NewCreateTopicsRequestTopic()
			rt.Topic, rt.NumPartitions, rt.ReplicationFactor = topic, 1, 1
			create.Topics = append(create.Topics, rt)
			if _, err := create.RequestWith(b.Context(), k); err != nil {
				b.Fatal(err)
			}
			rs := make([]*kgo.Record, n)
			for i := range rs {
				rs[i] = &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "order-%d", i), Value: bytes.Repeat([]byte("x"), 300)}
				for h := range headers {
					rs[i].Headers = append(rs[i].Headers, kgo.RecordHeader{Key: fmt.Sprintf("ce_name%d", h), Value: []byte("some value")})
				}
			}
			if err := k.ProduceSync(b.Context(), rs...).FirstErr(); err != nil {
				b.Fatal(err)
			}
			tp := consumer.TopicPartition{Topic: topic}
			for ready := false; !ready; { // until the client knows the topic
				_, err := c.Fetch(b.Context(), tp, 0)
				ready = err == nil
			}
			b.ReportAllocs()
			records := 0
			for b.Loop() {
				for offset := int64(0); offset < n; {
					batch, err := c.Fetch(b.Context(), tp, offset)
					if err != nil {
						b.Fatal(err)
					}
					offset = batch.Next
					records += len(batch.Records)
				}
			}
			b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// BenchmarkWrite writes small records, many callers at a time.
func BenchmarkWrite(b *testing.B) {
	c, err := NewClient(Config{Brokers: []string{brokerAddr}})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	topic := fmt.Sprintf("bench-write-%d-%d", b.N, names.Add(1))
	if err := c.CreateTopic(b.Context(), NewTopic{Topic: Topic{Name: topic, Partitions: 6, Replicas: 1}}); err != nil {
		b.Fatal(err)
	}
	w := c.NewWriter()
	defer w.Close()
	value := bytes.Repeat([]byte("x"), 300)
	b.ReportAllocs()
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if err := w.Write(b.Context(), topic, i%6, event.Record{Key: []byte("k"), Value: value}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
