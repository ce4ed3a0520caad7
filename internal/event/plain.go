package event

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Plain says how a topic's plain JSON becomes events: publishers that cannot write CloudEvents (contract section 3).
type Plain struct {
	// Type and Source are those of every event of the topic.
	Type, Source string
	// ID holds the JSON Pointers of the parts of the id, at least one.
	ID []string
}

// decodePlain reads plain JSON: the whole value is data, and the id is taken out of it. The content-type is not looked
// at. Optional attributes may be given as ce_ headers: to ignore a ce_topaccount would sign for another account.
func decodePlain(r *Record, plain Plain) (Event, *Defect) {
	var a attributes
	badHeader := a.readHeaders(r.Headers, 0)
	a.specversion = attribute{text: specVersion, set: true, kind: '"'}
	a.kind = attribute{text: plain.Type, set: true, kind: '"'}
	a.source = attribute{text: plain.Source, set: true, kind: '"'}
	a.id = attribute{}
	if d := first(checkValue(r.Value), badHeader); d != nil {
		e, _ := a.event()
		return e, d
	}

	rd := newReader(r.Value)
	defer rd.release()
	data, defect := rd.document()
	if defect != nil {
		e, _ := a.event()
		return e, defect
	}
	id, defect := plain.id(data)
	a.id = attribute{text: id, set: true, kind: '"'}
	e, d := a.event()
	if defect = first(defect, d); defect != nil {
		return e, defect
	}
	e.setData(data, rd.defect)
	return e, nil
}

// id joins the parts of the id. One part alone is the id as it is; of several each is preceded by its length, so that
// "ab" + "c" and "a" + "bc" are two ids.
func (p Plain) id(data any) (string, *Defect) {
	if len(p.ID) == 1 {
		part, ok := scalar(data, p.ID[0])
		if !ok {
			return "", noID(p.ID[0])
		}
		return strings.Clone(part), nil
	}
	var b strings.Builder
	for _, pointer := range p.ID {
		part, ok := scalar(data, pointer)
		if !ok {
			return "", noID(pointer)
		}
		b.WriteString(strconv.Itoa(len(part)))
		b.WriteByte(':')
		b.WriteString(part)
	}
	return b.String(), nil
}

// scalar finds a string that is not empty, or a number as it is written.
func scalar(data any, pointer string) (string, bool) {
	value, _ := lookup(data, pointer)
	switch v := value.(type) {
	case string:
		return v, v != ""
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// noID names the configured pointer, which is no part of the event.
func noID(pointer string) *Defect {
	return malformed("no id: there is no text and no number at " + strconv.Quote(pointer))
}
