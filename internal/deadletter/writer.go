package deadletter

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// Producer writes records to Kafka.
type Producer interface {
	// Write returns nil after all in-sync replicas have the record. A negative partition is chosen by the record's key.
	Write(ctx context.Context, topic string, partition int, r event.Record) error
	// Partitions is the number of partitions of a topic.
	Partitions(ctx context.Context, topic string) (int, error)
}

// Options say where letters go.
type Options struct {
	Topic    string
	Group    string // the consumer group that gives events up
	Version  string // of the worker
	MaxBytes int    // the most that a letter may count; a larger one is written as a reference
	Timeout  time.Duration
	TooLarge error // the producer's error for a record that the broker does not take
}

// Writer writes letters. It implements consumer.DeadLetters.
type Writer struct {
	options  Options
	producer Producer
}

// NewWriter makes a writer.
func NewWriter(p Producer, o Options) *Writer { return &Writer{options: o, producer: p} }

// Write writes one letter, to the partition number of its origin where there is one, and returns after all in-sync
// replicas have it. An oversized record, or one that the broker calls too large, becomes a reference.
func (w *Writer) Write(ctx context.Context, l consumer.Letter) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.Timeout)
	defer cancel()
	partitions, err := w.producer.Partitions(ctx, w.options.Topic)
	if err != nil {
		return fmt.Errorf("dead-letter topic %s: %w", w.options.Topic, err)
	}
	partition := -1
	if l.Record.Partition < partitions {
		partition = l.Record.Partition
	}
	whole := Envelope(l, w.options.Group, w.options.Version)
	letter := whole
	if l.Reason == event.ReasonOversized || whole.Size() > w.options.MaxBytes {
		letter = Reference(whole, l.Record, w.options.MaxBytes)
	}
	err = w.producer.Write(ctx, w.options.Topic, partition, letter)
	// The broker may take less than the configuration says: then without the value, then without key and headers.
	for _, limit := range [...]int{w.options.MaxBytes, 0} {
		if err == nil || !errors.Is(err, w.options.TooLarge) {
			break
		}
		if smaller := Reference(whole, l.Record, limit); smaller.Size() < letter.Size() {
			letter = smaller
			err = w.producer.Write(ctx, w.options.Topic, partition, letter)
		}
	}
	if err != nil {
		return fmt.Errorf("dead letter of %s/%d at offset %d: %w", l.Record.Topic, l.Record.Partition, l.Record.Offset, err)
	}
	return nil
}
