// Package recordjson writes a Kafka record as one line of JSON and reads it back, byte for byte:
//
//	{"topic":"top.work-orders","partition":3,"offset":42,"time":"2026-01-02T03:04:05.678Z",
//	 "key":"WO1","value":{"base64":"AP8="},"headers":[["ce_id","1"],["trace",null]]}
//
// A key, a value or a header's value is a string where its bytes are UTF-8, an object with base64 where they are not,
// and null where it is absent, which is another thing than empty. Headers keep their order, and may come twice.
package recordjson

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/event"
)

// NoPartition stands for a partition that a line does not give.
const NoPartition = -1

// line is the JSON object. Absent members are told from null ones by the pointers.
type line struct {
	Topic     string   `json:"topic"`
	Partition *int     `json:"partition,omitempty"`
	Offset    any      `json:"offset,omitempty"`
	Time      any      `json:"time,omitempty"`
	Key       text     `json:"key"`
	Value     text     `json:"value"`
	Headers   []header `json:"headers,omitempty"`
}

// unread takes any JSON value and leaves it.
type unread struct{}

// UnmarshalJSON implements json.Unmarshaler.
func (unread) UnmarshalJSON([]byte) error { return nil }

// Marshal writes r as one line, without the line feed.
func Marshal(r *event.Record) ([]byte, error) {
	at := r.Time.UTC()
	l := line{Topic: r.Topic, Partition: &r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value}
	if !at.IsZero() {
		l.Time = at
	}
	for _, h := range r.Headers {
		l.Headers = append(l.Headers, header(h))
	}
	return marshal(l)
}

// marshal is json.Marshal without the escapes for HTML, so that people can read and search the lines.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Unmarshal reads one line. A line without a partition gives NoPartition. The offset and the time say where and when the
// record was; whoever writes it again gets new ones, so they are not read, whatever they are. Members that are not known
// are refused: a mistyped one would change the record silently.
func Unmarshal(data []byte) (event.Record, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	l := line{Offset: &unread{}, Time: &unread{}}
	if err := d.Decode(&l); err != nil {
		return event.Record{}, err
	}
	if d.More() {
		return event.Record{}, errors.New("more than one JSON value")
	}
	r := event.Record{Topic: l.Topic, Partition: NoPartition, Key: l.Key, Value: l.Value}
	if l.Partition != nil {
		if r.Partition = *l.Partition; r.Partition < 0 {
			return event.Record{}, fmt.Errorf("partition %d is negative; leave it out to let the key choose", r.Partition)
		}
	}
	for _, h := range l.Headers {
		r.Headers = append(r.Headers, event.Header(h))
	}
	return r, nil
}

// text is bytes as a string, as an object with base64, or as null.
type text []byte

type encoded struct {
	Base64 *string `json:"base64"`
}

func (t text) MarshalJSON() ([]byte, error) {
	switch {
	case t == nil:
		return []byte("null"), nil
	case utf8.Valid(t):
		return marshal(string(t))
	default:
		s := base64.StdEncoding.EncodeToString(t)
		return marshal(encoded{&s})
	}
}

func (t *text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case 'n':
		*t = nil
		return nil
	case '"':
		if !utf8.Valid(data) {
			return errors.New("a string is not UTF-8: write its bytes as {\"base64\": \"…\"}")
		}
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = append(text{}, s...)
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var e encoded
	if err := d.Decode(&e); err != nil || e.Base64 == nil {
		return errors.New("key, value and header values are a string, {\"base64\": \"…\"} or null")
	}
	b, err := base64.StdEncoding.DecodeString(*e.Base64)
	if err != nil {
		return fmt.Errorf("base64: %w", err)
	}
	*t = append(text{}, b...)
	return nil
}

// header is a name and a value, as an array of two.
type header event.Header

func (h header) MarshalJSON() ([]byte, error) {
	if !utf8.ValidString(h.Key) {
		return nil, errors.New("a header's name is not UTF-8")
	}
	return marshal([]any{h.Key, text(h.Value)})
}

func (h *header) UnmarshalJSON(data []byte) error {
	var pair []json.RawMessage
	if err := json.Unmarshal(data, &pair); err != nil || len(pair) != 2 {
		return errors.New("a header is an array of its name and its value")
	}
	if err := json.Unmarshal(pair[0], &h.Key); err != nil {
		return fmt.Errorf("a header's name: %w", err)
	}
	var value text
	if err := json.Unmarshal(pair[1], &value); err != nil {
		return fmt.Errorf("header %s: %w", h.Key, err)
	}
	h.Value = value
	return nil
}
