package main

import (
	"context"
	"fmt"
	"io"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/embedded"
)

const partitions = 6

// runBroker serves an embedded broker until ctx ends, and prints its address.
func runBroker(ctx context.Context, out io.Writer) error {
	b, err := embedded.Start(embedded.Options{})
	if err != nil {
		return err
	}
	defer b.Close()
	fmt.Fprintln(out, b.Addrs()[0])
	<-ctx.Done()
	return nil
}

// fill creates the topics of a run and writes n events to its first one. id gives the number of an event's id and its key.
func fill(ctx context.Context, addr, name string, n int, id func(i int) (number, key int)) error {
	client, err := broker.NewClient(broker.Config{Brokers: []string{addr}})
	if err != nil {
		return err
	}
	defer client.Close()
	for _, topic := range []string{name, name + ".dead", name + ".actions"} {
		if err := client.CreateTopic(ctx, broker.NewTopic{Topic: broker.Topic{Name: topic, Partitions: partitions, Replicas: 1}}); err != nil {
			return err
		}
	}
	w := client.NewWriter()
	defer w.Close()
	const chunk = 5_000
	for from := 0; from < n; from += chunk {
		out := make([]broker.Outgoing, 0, chunk)
		for i := from; i < min(from+chunk, n); i++ {
			out = append(out, broker.Outgoing{Topic: name, Partition: broker.ByKey, Record: sample(id(i))})
		}
		for _, err := range w.WriteAll(ctx, out) {
			if err != nil {
				return err
			}
		}
	}
	return nil
}
