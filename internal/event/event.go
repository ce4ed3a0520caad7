package event

import "time"

// DefaultAccount is the account of an event that names none (contract section 3).
const DefaultAccount = "default"

// Event is one decoded event. Text that came from the value shares one copy of it; the attributes are copies of
// their own, so that keeping an id does not keep a whole value.
type Event struct {
	// ID, Source and Type are never empty in an event without a defect. The pair of Source and ID is its identity.
	ID, Source, Type string
	Subject          string
	// Account is the extension topaccount, DefaultAccount where that is absent or blank. It is empty only beside a
	// Defect, where the envelope could not be read far enough to know.
	Account string
	// Time is ce_time and Expiry the extension expirytime, both in UTC. Zero is absent; an unreadable Time too.
	Time, Expiry time.Time
	// Traceparent and Tracestate are those of one source: the Kafka headers of the last hop, else the extensions.
	// They are not checked.
	Traceparent, Tracestate string
	// Data holds string, bool, nil, json.Number (as written), []any and map[string]any.
	// It is nil when DataDefect is set.
	Data map[string]any
	// DataDefect says that the data was read and is wrong: no object, a member named twice, nested too deep.
	// It is kept apart because type, account and expiry are judged before the data.
	DataDefect *Defect
}

// Defect says what is wrong with an event. It never holds a value of the event.
type Defect struct {
	Reason Reason
	// Pointer is a JSON Pointer (RFC 6901) into the data, never into the envelope. "" where no one member is at fault.
	Pointer string
	Message string
}

// malformed is the defect of an event that cannot be read.
func malformed(message string) *Defect {
	return &Defect{Reason: ReasonMalformedEvent, Message: message}
}

// unsupported is the defect of an event in another format than ours.
func unsupported(message string) *Defect {
	return &Defect{Reason: ReasonUnsupportedFormat, Message: message}
}
