// Package event reads Kafka records as CloudEvents (contract section 3).
package event

import "time"

// Header is one header of a record. A nil and an empty value are two things.
type Header struct {
	Key   string
	Value []byte
}

// Record is one Kafka record as it was read: nil and empty key, value and header values are kept apart.
type Record struct {
	Topic     string
	Partition int
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []Header
	Time      time.Time
}

// Size is what max_event_bytes counts: key + value + each header's name and value, in bytes.
func (r *Record) Size() int {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return n
}

// Header returns the value of the named header. Of a header given twice the last one counts.
func (r *Record) Header(name string) (value []byte, ok bool) {
	for i := len(r.Headers) - 1; i >= 0; i-- {
		if r.Headers[i].Key == name {
			return r.Headers[i].Value, true
		}
	}
	return nil, false
}
