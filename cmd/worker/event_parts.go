package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/toprelay/worker/internal/event"
)

// eventParts is a line taken apart: the members that say where it goes, and the event.
type eventParts struct {
	topic    string
	key      []byte
	keyed    bool // the line has a key; null is one, too: none
	headers  []event.Header
	envelope []byte
}

// record is the event as it goes to Kafka, but for a key that the line does not give.
func (p *eventParts) record() event.Record {
	return event.Record{Key: p.key, Value: p.envelope, Headers: p.headers}
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
