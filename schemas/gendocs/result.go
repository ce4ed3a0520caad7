package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/results"
)

// kept keeps the record that a result writer writes.
type kept struct{ record event.Record }

// Write keeps the record.
func (k *kept) Write(_ context.Context, _ string, _ int, r event.Record) error {
	k.record = r
	return nil
}

// result is the result of a created service order, as the worker writes it.
func (d *document) result() (string, error) {
	e, err := d.example(create, sectionExamples[create])
	if err != nil {
		return "", err
	}
	key, err := d.key(e)
	if err != nil {
		return "", err
	}
	var a attributes
	if err := json.Unmarshal(e.Event, &a); err != nil {
		return "", err
	}
	t, _ := d.known.Type(create)
	at := time.Date(2026, 3, 2, 2, 5, 10, 0, time.UTC)
	var k kept
	writer := results.NewWriter(&k, results.Options{Topic: "top.results", Group: "toprelay", Timeout: time.Second})
	err = writer.Write(context.Background(), consumer.Result{
		Record:  &event.Record{Topic: "top.work-orders", Partition: 3, Offset: 42, Time: at},
		EventID: a.ID, EventSource: a.Source, EventType: a.Type, Account: event.DefaultAccount, Key: key,
		Outcome: consumer.Delivered.String(), Method: t.Method, RequestID: "13yki55kbv7ug", Attempts: 1,
		Reply: []byte(`{"service_order_id":3000000001,"workcard_ids":[4000000001,4000000002]}`),
	})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "```text\ntopic    top.results\nkey      %s\n", k.record.Key)
	for i, h := range k.record.Headers {
		name, value := "", string(h.Value)
		if i == 0 {
			name = "headers"
		}
		if h.Key == "ce_time" { // the writer's clock
			value = at.Add(time.Second).Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "%-9s%s: %s\n", name, h.Key, value)
	}
	b.WriteString("value    the JSON below\n```\n\n```json\n")
	var data bytes.Buffer
	if err := json.Indent(&data, k.record.Value, "", "  "); err != nil {
		return "", err
	}
	b.WriteString(data.String() + "\n```\n")
	return b.String(), nil
}
