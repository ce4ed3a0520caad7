package event

import "strconv"

// Decoder reads records as events. It is safe for concurrent use; its fields must not change after the first Decode.
type Decoder struct {
	// MaxBytes bounds Record.Size; a record of exactly MaxBytes is decoded. 0 is no bound.
	MaxBytes int
	// Plain says, by topic, how records that are no CloudEvents are read.
	Plain map[string]Plain
}

// Decode reads one record. Its checks are those of contract section 3 that come before the type: size, then envelope.
// What is wrong with the data itself is left in Event.DataDefect, because type, account and expiry come before it.
//
// With a defect the event holds what could be read all the same, so that the dead letter can say which event it was.
//
// On a topic with a Plain configuration a record that says it is a CloudEvent, by a ce_specversion header or by a
// structured content-type, is decoded as one: publishers move to CloudEvents one by one.
func (d *Decoder) Decode(r *Record) (Event, *Defect) {
	contentType, _ := r.Header("content-type")
	structured := isCloudEvents(contentType)
	plain, isPlain := d.Plain[r.Topic]
	if isPlain {
		_, isCloudEvent := r.Header("ce_specversion")
		isPlain = !isCloudEvent && !structured
	}

	var e Event
	var defect *Defect
	size := r.Size()
	switch {
	case d.MaxBytes > 0 && size > d.MaxBytes:
		e, defect = unread(r), &Defect{Reason: ReasonOversized, Message: strconv.Itoa(size) +
			" bytes are more than max_event_bytes (" + strconv.Itoa(d.MaxBytes) + ")"}
	case structured:
		e, defect = decodeStructured(r, contentType)
	case isPlain:
		e, defect = decodePlain(r, plain)
	default:
		e, defect = decodeBinary(r, contentType)
	}
	e.Traceparent, e.Tracestate = trace(r, &e)
	return e, defect
}

// unread names an oversized event by its headers as far as those are short. The value is not touched.
func unread(r *Record) Event {
	const maxAttribute = 4 << 10 // bytes
	var a attributes
	a.readHeaders(r.Headers, maxAttribute)
	e, _ := a.event()
	if !a.account.set {
		e.Account = "" // may be in the envelope that nobody reads
	}
	return e
}

// checkValue refuses the values that no mode can read.
func checkValue(value []byte) *Defect {
	switch {
	case value == nil:
		return malformed("the value is null")
	case len(value) == 0:
		return malformed("the value is empty")
	case value[0] == 0:
		return unsupported("the value is a schema-registry frame (first byte 0); publish it as plain JSON")
	}
	return nil
}

// trace takes both fields from the Kafka headers, which hold the last hop, or else both from the extensions. Headers
// that are far longer than W3C Trace Context allows are taken for absent; they may belong to an oversized record.
func trace(r *Record, e *Event) (parent, state string) {
	const maxParent, maxState = 256, 4 << 10 // bytes
	p, _ := r.Header("traceparent")
	if len(p) == 0 || len(p) > maxParent {
		return e.Traceparent, e.Tracestate
	}
	if s, _ := r.Header("tracestate"); len(s) <= maxState {
		state = string(s)
	}
	return string(p), state
}
