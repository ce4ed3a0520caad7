package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// shown is the example that stands at the top of the document in both modes.
const (
	shownType = "top.logisticsorder.status.v1"
	shownName = "good-signed"
)

// attributes are the members of an envelope in the order in which they are shown.
type attributes struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        string          `json:"time"`
	Data        json.RawMessage `json:"data"`
}

func (d *document) binary() (string, error) {
	a, key, err := d.shown()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	line := func(name, value string) { fmt.Fprintf(&b, "%-9s%s\n", name, value) }
	b.WriteString("```text\n")
	line("topic", defaultTopic(a.Type))
	line("key", key)
	for i, h := range [][2]string{
		{"ce_specversion", a.SpecVersion}, {"ce_id", a.ID}, {"ce_source", a.Source}, {"ce_type", a.Type}, {"ce_time", a.Time},
		{"content-type", "application/json"},
	} {
		name := ""
		if i == 0 {
			name = "headers"
		}
		line(name, h[0]+": "+h[1])
	}
	var data bytes.Buffer
	if err := json.Compact(&data, a.Data); err != nil {
		return "", err
	}
	line("value", data.String())
	b.WriteString("```\n")
	return b.String(), nil
}

func (d *document) structured() (string, error) {
	a, key, err := d.shown()
	if err != nil {
		return "", err
	}
	value, err := marshal(a)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("```text\ntopic    %s\nkey      %s\nheaders  content-type: application/cloudevents+json; charset=UTF-8\nvalue    the JSON below\n```\n\n```json\n%s```\n",
		defaultTopic(a.Type), key, value), nil
}

// shown returns the example at the top, and its ordering key.
func (d *document) shown() (attributes, string, error) {
	var a attributes
	e, err := d.example(shownType, shownName)
	if err != nil {
		return a, "", err
	}
	if err := json.Unmarshal(e.Event, &a); err != nil {
		return a, "", err
	}
	key, err := d.key(e)
	return a, key, err
}

// key is the ordering key of a good example.
func (d *document) key(e schemas.Example) (string, error) {
	decoder := event.Decoder{}
	decoded, defect := decoder.Decode(structuredRecord(e.Event))
	if defect != nil {
		return "", fmt.Errorf("example %s of %s: %s", e.Name, e.Type, defect.Message)
	}
	t, ok := d.known.Type(decoded.Type)
	if !ok {
		return "", fmt.Errorf("example %s: the type %s is not known", e.Name, decoded.Type)
	}
	checked, violation := t.Check(decoded.Data, schemas.UnknownReject)
	if violation != nil {
		return "", fmt.Errorf("example %s of %s: %w", e.Name, e.Type, violation)
	}
	return checked.Key, nil
}

func structuredRecord(value []byte) *event.Record {
	return &event.Record{Value: value, Headers: []event.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}}
}

// marshal is json.MarshalIndent without the escapes for HTML.
func marshal(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.String(), err
}

// defaultTopic is where `worker publish` writes a type that no flag routes elsewhere.
func defaultTopic(eventType string) string {
	if strings.Contains(eventType, ".status.v") {
		return "top.status-changes"
	}
	return "top.work-orders"
}
