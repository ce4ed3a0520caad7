package event

import (
	"encoding/base64"
	"strings"
)

// envelope is a structured event as far as it was read.
type envelope struct {
	attributes attributes
	// data and base64 are set where the member is there and not null, which counts as absent. data has its value in
	// value instead of text.
	data, base64 attribute
	value        any
	// others are the names of the other members.
	others map[string]bool
	// defect is a fault of the envelope that does not keep the rest from being read.
	defect *Defect
}

// decodeStructured reads a CloudEvent in structured mode. The envelope wins: ce_ headers are not looked at, but to
// name an event whose envelope is not opened.
func decodeStructured(r *Record, contentType []byte) (Event, *Defect) {
	if d := checkValue(r.Value); d != nil {
		return unread(r), d
	}
	if !isCloudEventsJSON(contentType) {
		return unread(r), unsupported("content-type is not " + cloudEventsType +
			"+json: no other event format is read, and no batch")
	}

	rd := newReader(r.Value)
	defer rd.release()
	var env envelope
	err := rd.envelope(&env)
	e, defect := env.attributes.event()
	if err != nil {
		if !env.attributes.account.named {
			e.Account = "" // may be in the part that was not read
		}
		return e, rd.unreadable(err)
	}
	if defect = first(env.defect, defect); defect != nil {
		return e, defect
	}
	switch {
	case env.data.set && env.base64.set:
		return e, malformed("the envelope has both data and data_base64")
	case env.base64.set:
		return e, e.setBase64(&env.base64)
	case !env.data.set:
		return e, malformed("the envelope has no data")
	}
	e.setData(env.value, rd.defect)
	return e, nil
}

// setBase64 reads data that is packed in base64: its bytes are judged as a value in binary mode.
func (e *Event) setBase64(packed *attribute) *Defect {
	if d := packed.required("data_base64"); d != nil {
		return d
	}
	value, err := base64.StdEncoding.DecodeString(packed.text)
	if err != nil || len(value) == 0 {
		return malformed("data_base64 is not base64")
	}
	if d := checkValue(value); d != nil {
		return d
	}
	rd := newReader(value)
	defer rd.release()
	data, defect := rd.document()
	if defect != nil {
		defect.Message = "data_base64: " + defect.Message
		return defect
	}
	e.setData(data, rd.defect)
	return nil
}

// envelope reads the whole text as an envelope. A fault that is in the way of nothing is noted in env.defect.
func (rd *reader) envelope(env *envelope) error {
	if kind := rd.dec.PeekKind(); kind != '{' {
		if _, err := rd.value(); err != nil {
			return err
		}
		env.defect = malformed("the envelope is not a JSON object")
		return rd.end()
	}
	if _, err := rd.dec.ReadToken(); err != nil {
		return err
	}
	for rd.dec.PeekKind() != '}' {
		name, err := rd.quoted()
		if err != nil {
			return err
		}
		if err := rd.envelopeMember(env, name); err != nil {
			return err
		}
	}
	if _, err := rd.dec.ReadToken(); err != nil {
		return err
	}
	return rd.end()
}

// envelopeMember reads one member's value. Of a member that is named twice the first one stays.
func (rd *reader) envelopeMember(env *envelope, name string) error {
	at := env.find(name)
	if at == nil {
		if !env.others[name] {
			if env.others == nil {
				env.others = make(map[string]bool)
			}
			env.others[name] = true
			return rd.dec.SkipValue()
		}
	} else if !at.named {
		if at != &env.data {
			return rd.attribute(at)
		}
		var err error
		env.value, err = rd.value()
		*at = attribute{named: true, set: env.value != nil}
		return err
	}
	env.defect = first(env.defect, malformed("the envelope names a member twice"))
	return rd.dec.SkipValue()
}

// find returns the place of the named member, nil for one that is not read.
func (env *envelope) find(name string) *attribute {
	switch name {
	case "data":
		return &env.data
	case "data_base64":
		return &env.base64
	}
	return env.attributes.find(name)
}

// attribute reads an attribute's value, whichever JSON type it has.
func (rd *reader) attribute(at *attribute) error {
	kind := rd.dec.PeekKind()
	at.named = true
	switch kind {
	case '"':
		text, err := rd.quoted()
		if err != nil {
			return err
		}
		*at = attribute{text: strings.Clone(text), set: true, kind: '"', named: true}
		return nil
	case '{', '[':
		at.set, at.kind = true, byte(kind)
		return rd.dec.SkipValue()
	case 'n':
		return rd.dec.SkipValue()
	}
	raw, err := rd.dec.ReadValue()
	if err != nil {
		return err
	}
	*at = attribute{text: string(raw), set: true, kind: byte(kind), named: true}
	return nil
}
