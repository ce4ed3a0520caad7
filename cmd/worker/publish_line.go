package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/recordjson"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// The default topics by type (contract section 2).
const (
	statusTopic = "top.status-changes"
	ordersTopic = "top.work-orders"
	statusTypes = ".status.v"
)

// rawLine reads lines that are records.
type rawLine struct{ topic string }

func (l rawLine) parse(text []byte) (broker.Outgoing, *lineProblem) {
	r, err := recordjson.Unmarshal(text)
	if err != nil {
		return broker.Outgoing{}, badLine("%v", err)
	}
	o := broker.Outgoing{Topic: r.Topic, Partition: broker.ByKey}
	if o.Topic == "" {
		o.Topic = l.topic
	}
	if o.Topic == "" {
		return o, badLine("no topic: give it in the line or with --topic")
	}
	if r.Partition != recordjson.NoPartition {
		o.Partition = r.Partition
	}
	o.Record = event.Record{Key: r.Key, Value: r.Value, Headers: r.Headers}
	return o, nil
}

// eventLine reads lines that are events. It is safe for concurrent use.
type eventLine struct {
	cfg        *config.Config
	known      *schemas.Catalogue
	decoder    event.Decoder
	routes     map[string]string // topic by type
	topic      string            // of lines that name none
	consumed   map[string]bool   // kafka.topics
	noValidate bool
}

func newEventLine(cfg *config.Config, known *schemas.Catalogue, routes map[string]string, topic string, noValidate bool) *eventLine {
	l := &eventLine{
		cfg: cfg, known: known, routes: routes, topic: topic, noValidate: noValidate, consumed: map[string]bool{},
		decoder: event.Decoder{MaxBytes: int(cfg.Consumer.MaxEventBytes)},
	}
	for _, t := range cfg.Kafka.Topics {
		l.consumed[t.Name] = true
	}
	return l
}

// parse checks one event in the order of the worker: size, envelope, type, data.
func (l *eventLine) parse(text []byte) (broker.Outgoing, *lineProblem) {
	parts, problem := splitEvent(text)
	if problem != nil {
		return broker.Outgoing{}, problem
	}
	o := broker.Outgoing{Partition: broker.ByKey, Record: event.Record{Key: parts.key, Value: parts.envelope, Headers: parts.headers}}
	e, defect := l.decoder.Decode(&o.Record)
	key := ""
	if defect == nil {
		key, defect = l.key(&e)
	}
	if defect != nil && !l.noValidate {
		return o, &lineProblem{ID: e.ID, Type: e.Type, Reason: string(defect.Reason), Pointer: defect.Pointer, Message: defect.Message}
	}
	if !parts.keyed && key != "" {
		o.Record.Key = []byte(key)
	}
	if o.Topic = l.topicOf(parts.topic, e.Type); o.Topic == "" {
		return o, &lineProblem{ID: e.ID, Type: e.Type, Reason: "bad_line",
			Message: "no topic: kafka.topics has several and none of them is the default one of this type; give it in the line, with --route or with --topic"}
	}
	return o, nil
}

// key checks the data and returns the ordering key.
func (l *eventLine) key(e *event.Event) (string, *event.Defect) {
	t, ok := l.known.Type(e.Type)
	if !ok {
		return "", &event.Defect{Reason: event.ReasonUnknownType, Message: "no schema describes this type; 'worker schemas list' shows all"}
	}
	if e.DataDefect != nil {
		return "", e.DataDefect
	}
	checked, bad := t.Check(e.Data, schemas.UnknownFields(l.cfg.Type(e.Type).UnknownFields))
	if bad != nil {
		return "", &event.Defect{Reason: event.ReasonInvalidData, Pointer: bad.Pointer, Message: bad.Message}
	}
	return checked.Key, nil
}

func (l *eventLine) topicOf(inLine, eventType string) string {
	byType := ordersTopic
	if strings.Contains(eventType, statusTypes) {
		byType = statusTopic
	}
	switch {
	case inLine != "":
		return inLine
	case l.routes[eventType] != "":
		return l.routes[eventType]
	case l.topic != "":
		return l.topic
	case l.consumed[byType]:
		return byType
	case len(l.cfg.Kafka.Topics) == 1:
		return l.cfg.Kafka.Topics[0].Name
	default:
		return ""
	}
}

// eventParts is a line taken apart: the members that say where it goes, and the event.
type eventParts struct {
	topic    string
	key      []byte
	keyed    bool // the line has a key; null is one, too: none
	headers  []event.Header
	envelope []byte
}

// splitEvent takes topic, key and headers out of the line. The other members stay byte for byte: numbers keep their
// digits, and what is wrong with them is for the decoder to say.
func splitEvent(text []byte) (eventParts, *lineProblem) {
	p := eventParts{headers: []event.Header{{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}}
	envelope := append(make([]byte, 0, len(text)+24), '{')
	versioned := false
	err := members(text, func(name string, value jsontext.Value) (err error) {
		switch name {
		case "topic":
			p.topic, err = stringOf(name, value)
		case "key":
			p.keyed = true
			if value.Kind() != 'n' {
				var s string
				s, err = stringOf(name, value)
				p.key = []byte(s)
			}
		case "headers":
			err = members(value, func(name string, value jsontext.Value) error {
				if strings.EqualFold(name, "content-type") {
					return errors.New("headers: content-type is set by publish")
				}
				h := event.Header{Key: name}
				if value.Kind() != 'n' {
					s, err := stringOf("headers."+name, value)
					if err != nil {
						return err
					}
					h.Value = []byte(s)
				}
				p.headers = append(p.headers, h)
				return nil
			})
		default:
			versioned = versioned || name == "specversion"
			if len(envelope) > 1 {
				envelope = append(envelope, ',')
			}
			if envelope, err = jsontext.AppendQuote(envelope, name); err == nil {
				envelope = append(append(envelope, ':'), value...)
			}
		}
		return err
	})
	switch {
	case errors.Is(err, errNotReadable):
		p.envelope = text // the decoder says what is wrong with it
		return p, nil
	case err != nil:
		return p, badLine("%v", err)
	}
	if !versioned {
		if len(envelope) > 1 {
			envelope = append(envelope, ',')
		}
		envelope = append(envelope, `"specversion":"1.0"`...)
	}
	envelope = append(envelope, '}')
	p.envelope = envelope
	return p, nil
}

// errNotReadable says that a text is no JSON object.
var errNotReadable = errors.New("not a JSON object")

// members calls f with each member of a JSON object, in order; a name may come twice.
func members(text []byte, f func(name string, value jsontext.Value) error) error {
	d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
	if d.PeekKind() != '{' {
		return errNotReadable
	}
	if _, err := d.ReadToken(); err != nil {
		return errNotReadable
	}
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil || name.Kind() != '"' {
			return errNotReadable
		}
		member := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return errNotReadable
		}
		if err := f(member, value); err != nil {
			return err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return errNotReadable
	}
	if d.PeekKind() != 0 {
		return errNotReadable // something behind the object
	}
	return nil
}

func stringOf(name string, value jsontext.Value) (string, error) {
	if value.Kind() != '"' {
		return "", fmt.Errorf("%s is not a string", name)
	}
	s, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(s), nil
}
