package event

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// specVersion is the one version of CloudEvents that is read.
const specVersion = "1.0"

// attribute is a context attribute as it was found.
type attribute struct {
	text string
	// set is false for an attribute that is absent or null, which CloudEvents treats alike.
	set bool
	// kind is the JSON kind in an envelope: '"', '0', 't', 'f', '{' or '['. A header is '"'.
	kind byte
	// named is true once the name was met, null or not: a second one in an envelope is a defect.
	named bool
}

// attributes are the context attributes that the worker reads. Others are left alone.
type attributes struct {
	specversion, id, source, kind, subject, time attribute
	account, expiry, traceparent, tracestate     attribute
}

// find returns the place of the named attribute, nil for one that is not read.
func (a *attributes) find(name string) *attribute {
	switch name {
	case "specversion":
		return &a.specversion
	case "id":
		return &a.id
	case "source":
		return &a.source
	case "type":
		return &a.kind
	case "subject":
		return &a.subject
	case "time":
		return &a.time
	case "topaccount":
		return &a.account
	case "expirytime":
		return &a.expiry
	case "traceparent":
		return &a.traceparent
	case "tracestate":
		return &a.tracestate
	}
	return nil
}

// readHeaders takes the attributes out of ce_ headers. Of a header given twice the last one counts, so it goes from
// the end. Values over maxBytes are left out (0: none is). The Kafka binding, unlike the HTTP one, has no
// percent-encoding: a header value is the attribute's UTF-8 text as it is.
func (a *attributes) readHeaders(headers []Header, maxBytes int) *Defect {
	var defect *Defect
	for i, h := range slices.Backward(headers) {
		name, ok := strings.CutPrefix(h.Key, "ce_")
		if !ok {
			continue
		}
		at := a.find(name)
		if at != nil && at.named {
			continue
		}
		fits := maxBytes == 0 || len(h.Value) <= maxBytes
		valid := !fits || utf8.Valid(h.Value)
		if !valid && defect == nil && (at != nil || !repeated(headers[i+1:], h.Key)) {
			defect = malformed("a ce_ header is not UTF-8")
			if at != nil {
				defect.Message = "header ce_" + name + " is not UTF-8"
			}
		}
		if at == nil {
			continue
		}
		at.named = true
		if fits && valid && h.Value != nil {
			at.text, at.set, at.kind = string(h.Value), true, '"'
		}
	}
	return defect
}

// repeated reports whether one of the headers has the name key.
func repeated(headers []Header, key string) bool {
	return slices.ContainsFunc(headers, func(h Header) bool { return h.Key == key })
}

// event fills in what was read and says what is wrong with the optional attributes and the required ones.
func (a *attributes) event() (Event, *Defect) {
	e := Event{
		ID: a.id.string(), Source: a.source.string(), Type: a.kind.string(), Subject: a.subject.string(),
		Account:     DefaultAccount,
		Traceparent: a.traceparent.string(), Tracestate: a.tracestate.string(),
	}
	defect := a.check()
	// CloudEvents has integers and booleans too, whose text is what a header would hold. Taking such a name for absent
	// would sign the call for another account.
	switch a.account.kind {
	case '{', '[':
		defect = first(defect, malformed("attribute topaccount is not text"))
	default:
		if strings.TrimSpace(a.account.text) != "" {
			e.Account = a.account.text
		}
	}
	if a.time.set && a.time.kind == '"' {
		e.Time, _ = parseTime(a.time.text)
	}
	if a.expiry.set {
		var ok bool
		e.Expiry, ok = parseTime(a.expiry.text)
		switch {
		case !ok || a.expiry.kind != '"':
			e.Expiry = time.Time{}
			defect = first(defect, malformed("attribute expirytime is not an RFC 3339 time"))
		case e.Expiry.IsZero():
			e.Expiry = e.Expiry.Add(1) // the zero time would mean that the event never expires
		}
	}
	return e, defect
}

// check judges the required attributes. The version comes first: it says how the others are to be read.
func (a *attributes) check() *Defect {
	if d := a.specversion.required("specversion"); d != nil {
		return d
	}
	if a.specversion.text != specVersion {
		return unsupported("attribute specversion is not " + specVersion)
	}
	return first(a.kind.required("type"), first(a.source.required("source"), a.id.required("id")))
}

// required says what is wrong with a required attribute.
func (at *attribute) required(name string) *Defect {
	switch {
	case !at.set:
		return malformed("attribute " + name + " is missing")
	case at.kind != '"':
		return malformed("attribute " + name + " is not a string")
	case at.text == "":
		return malformed("attribute " + name + " is empty")
	}
	return nil
}

// string returns the attribute's text where it is a string.
func (at *attribute) string() string {
	if at.kind != '"' {
		return ""
	}
	return at.text
}

// first returns the first defect that there is.
func first(a, b *Defect) *Defect {
	if a != nil {
		return a
	}
	return b
}

// parseTime reads an RFC 3339 time. Its t and z may be in lower case. It refuses what time.Parse lets pass: a one-digit
// hour, a comma before the fraction, an offset of 24 hours.
func parseTime(text string) (time.Time, bool) {
	text = strings.ToUpper(text)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || text[13] != ':' || strings.Contains(text, ",") ||
		text[len(text)-1] != 'Z' && text[len(text)-5:len(text)-3] > "23" {
		return time.Time{}, false
	}
	return t.UTC(), true
}
