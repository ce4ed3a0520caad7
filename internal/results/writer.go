// Package results writes what became of each settled event to the results topic, as CloudEvents in binary mode (contract
// section 6, Results). A WMS waits there for what the platform answered, the service order's id above all.
package results

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// Type is the type of a result event.
const Type = "top.result.v1"

// Producer writes records to Kafka.
type Producer interface {
	// Write returns nil after all in-sync replicas have the record. A negative partition is chosen by the record's key.
	Write(ctx context.Context, topic string, partition int, r event.Record) error
}

const (
	// maxText bounds each text of a result, in bytes, and maxReply the reply: an id of a megabyte must not make a record that
	// no broker takes, because nothing is committed past an event without its result.
	maxText  = 1024
	maxReply = 256 << 10
	maxTrace = 4 << 10 // of each trace header
)

// Options say where results go.
type Options struct {
	Topic   string
	Group   string // the consumer group; part of the result's source and id
	Timeout time.Duration
}

// Writer writes results. It implements consumer.Results.
type Writer struct {
	options  Options
	producer Producer
}

// NewWriter makes a writer.
func NewWriter(p Producer, o Options) *Writer { return &Writer{options: o, producer: p} }

// data is the data of a result event.
type data struct {
	EventID     string          `json:"event_id"`
	EventSource string          `json:"event_source"`
	EventType   string          `json:"event_type"`
	Account     string          `json:"account"`
	Key         string          `json:"key"`
	Outcome     string          `json:"outcome"`
	Reason      string          `json:"reason"`
	Method      string          `json:"method"`
	Code        string          `json:"code"`
	SubCode     string          `json:"sub_code"`
	Message     string          `json:"message"`
	RequestID   string          `json:"request_id"`
	Attempts    int             `json:"attempts"`
	Reply       json.RawMessage `json:"reply"`
}

// Write writes one result and returns after all in-sync replicas have it.
func (w *Writer) Write(ctx context.Context, r consumer.Result) error {
	ctx, cancel := context.WithTimeout(ctx, w.options.Timeout)
	defer cancel()
	record, err := w.record(r)
	if err == nil {
		err = w.producer.Write(ctx, w.options.Topic, -1, record)
	}
	if err != nil {
		return fmt.Errorf("result of %s/%d at offset %d: %w", r.Record.Topic, r.Record.Partition, r.Record.Offset, err)
	}
	return nil
}

func (w *Writer) record(r consumer.Result) (event.Record, error) {
	reply := json.RawMessage(r.Reply)
	if len(reply) == 0 || len(reply) > maxReply {
		reply = json.RawMessage("null")
	}
	value, err := json.Marshal(data{
		EventID: cut(r.EventID), EventSource: cut(r.EventSource), EventType: cut(r.EventType), Account: cut(r.Account),
		Key: cut(r.Key), Outcome: r.Outcome, Reason: r.Reason, Method: r.Method, Code: cut(r.Code), SubCode: cut(r.SubCode),
		Message: cut(r.Message), RequestID: cut(r.RequestID), Attempts: r.Attempts, Reply: reply,
	})
	if err != nil {
		return event.Record{}, err
	}
	now := time.Now().UTC()
	headers := []event.Header{
		{Key: "ce_specversion", Value: []byte("1.0")},
		{Key: "ce_id", Value: []byte(consumer.OriginID(w.options.Group, r.Record))},
		{Key: "ce_source", Value: []byte("/toprelay/" + w.options.Group)},
		{Key: "ce_type", Value: []byte(Type)},
		{Key: "ce_time", Value: []byte(now.Format(time.RFC3339Nano))},
		{Key: "content-type", Value: []byte("application/json")},
	}
	for _, name := range []string{"traceparent", "tracestate"} {
		if value, ok := r.Record.Header(name); ok && len(value) <= maxTrace {
			headers = append(headers, event.Header{Key: name, Value: value})
		}
	}
	key := []byte(cut(r.Key))
	if r.Key == "" {
		key = r.Record.Key[:min(len(r.Record.Key), maxText)]
	}
	return event.Record{Key: key, Value: value, Headers: headers, Time: now}, nil
}

// cut shortens s to at most maxText bytes, between characters.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
