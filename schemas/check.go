package schemas

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"strconv"
	"sync"
)

// CanonicalVersion is the version of the canonical data that Checked.Content is the hash of. It changes whenever two
// builds could make different bytes of the same data; contents of different versions are never compared.
const CanonicalVersion = 1

// UnknownFields says what becomes of fields that the API does not have.
type UnknownFields string

const (
	UnknownReject UnknownFields = "reject" // the event is invalid
	UnknownDrop   UnknownFields = "drop"   // they are not sent, and counted
	UnknownSend   UnknownFields = "send"   // they are sent, but for those at the top that have the name of a system parameter
)

// Checked is what is sent, and what identifies it.
type Checked struct {
	// Data is what is sent: what counts as absent is gone, Dates are GMT+8 text, Numbers are decimal. Values of the
	// type Json are as they were. The map itself is the caller's own; what is below it may be shared with the data that
	// was checked, and is not to be changed.
	Data map[string]any
	// Key is the ordering key as text, several parts joined with their lengths. It is set for invalid data too, where
	// it can be read, so that the event keeps its place among those of its key.
	Key string
	// ID is the idempotent id that data itself holds; "" = source and id of the event make it.
	ID string
	// Content is the SHA-256 of the canonical data: what was published, before dates and numbers are converted. What
	// counts as absent does not count. Compare only contents of the same CanonicalVersion.
	Content [32]byte
	// Dropped is how many unknown fields are not sent. A field counts once, whatever it holds.
	Dropped int
}

// Violation says why data is invalid. Neither text holds a value of the data.
type Violation struct {
	Pointer string // JSON Pointer into data; "" where no single field is at fault
	Message string
}

func (v *Violation) Error() string {
	if v.Pointer == "" {
		return v.Message
	}
	return v.Pointer + " " + v.Message
}

// Check validates data and says what is sent of it. Numbers in data are json.Number. Data is not changed. With a
// violation only Checked.Key is set, and that where it can be read.
func (t *Type) Check(data map[string]any, unknown UnknownFields) (Checked, *Violation) {
	w := walks.Get().(*walk)
	defer w.release()
	w.t, w.unknown = t, unknown

	s := sent{in: data, own: maps.Clone(data)}
	if !w.object(t.Root, &s, true) {
		return Checked{Key: t.readableKey(data)}, w.violation
	}
	out := s.own
	if out == nil { // data is a nil map, which has no copy
		out = map[string]any{}
	}
	if err := t.rules.Validate(out); err != nil {
		return Checked{Key: t.readableKey(data)}, t.explain(err)
	}
	c := Checked{Data: out, Dropped: w.dropped}
	var v *Violation
	if c.Key, v = joined(t.Key, out, "the ordering key"); v != nil {
		return Checked{}, v
	}
	if c.ID, v = t.idOf(out); v != nil {
		return Checked{Key: c.Key}, v
	}
	c.Content = sha256.Sum256(w.canonical)
	return c, nil
}

// walk is one pass over data, which both normalises it and writes it in canonical form.
type walk struct {
	t         *Type
	unknown   UnknownFields
	canonical []byte
	path      []step
	dropped   int
	violation *Violation
}

// step is one level of the path: a member (index -1), or an element of a list.
type step struct {
	name  string
	index int
}

var walks = sync.Pool{New: func() any { return &walk{} }}

// largestKept bounds what a pooled walk keeps of a large event.
const largestKept = 64 << 10

func (w *walk) release() {
	if cap(w.canonical) > largestKept {
		w.canonical = nil
	}
	clear(w.path[:cap(w.path)]) // it holds texts of the event
	*w = walk{canonical: w.canonical[:0], path: w.path[:0]}
	walks.Put(w)
}

// refuse records the first violation, at the current path.
func (w *walk) refuse(message string) bool {
	w.violation = &Violation{Pointer: pointerTo(w.path), Message: message}
	return false
}

func pointerTo(path []step) string {
	var out []byte
	for _, s := range path {
		out = append(out, '/')
		if s.index >= 0 {
			out = strconv.AppendInt(out, int64(s.index), 10)
		} else {
			out = append(out, escapePointer(s.name)...)
		}
	}
	return string(out)
}

// sent is what becomes of a struct: in itself, or a copy of it that is made with the first change.
type sent struct {
	in, own map[string]any
}

func (s *sent) set(name string, value any) {
	if s.own == nil {
		s.own = maps.Clone(s.in)
	}
	s.own[name] = value
}

func (s *sent) drop(name string) {
	if s.own == nil {
		s.own = maps.Clone(s.in)
	}
	delete(s.own, name)
}

// object walks a struct. Fields are taken in the order of their names: that is the canonical order. top says that it is
// data itself.
func (w *walk) object(f *Field, s *sent, top bool) bool {
	start := len(w.canonical)
	w.canonical = append(w.canonical, '{')
	found := 0
	for _, m := range f.sorted {
		value, is := s.in[m.Name]
		if !is {
			continue
		}
		found++
		if !w.member(m, m.Name, value, s, top) {
			return false
		}
	}
	if found < len(s.in) {
		// There are unknown fields: begin again with all names, for the order of the canonical form.
		w.canonical = append(w.canonical[:start], '{')
		if !w.mixed(f, s, top) {
			return false
		}
	}
	w.canonical = append(w.canonical, '}')
	return true
}

// member walks one member of a struct; a nil f stands for an unknown field.
func (w *walk) member(f *Field, name string, value any, s *sent, top bool) bool {
	mark := len(w.canonical)
	w.openMember(name)
	w.path = append(w.path, step{name: name, index: -1})
	value, is := w.value(f, value, top)
	if is == refused {
		return false
	}
	w.path = w.path[:len(w.path)-1]
	switch is {
	case changed:
		s.set(name, value)
	case absent:
		w.canonical = w.canonical[:mark]
		s.drop(name)
	case unsent:
		s.drop(name)
	}
	return true
}

// openMember begins a member in the canonical form.
func (w *walk) openMember(name string) {
	if w.canonical[len(w.canonical)-1] != '{' {
		w.canonical = append(w.canonical, ',')
	}
	w.canonical = appendString(w.canonical, name)
	w.canonical = append(w.canonical, ':')
}

// verdict is what becomes of a value.
type verdict uint8

const (
	refused   verdict = iota // violation is set
	unchanged                // sent as it is
	changed                  // sent otherwise
	absent                   // counts as absent, in the content too
	unsent                   // not sent, but part of the content
)

// value walks one value that f describes; a nil f stands for an unknown field. top says that it is a member of data.
func (w *walk) value(f *Field, value any, top bool) (any, verdict) {
	if value == nil {
		return nil, absent
	}
	form := top && w.t.Encoding == EncodingForm
	if text, is := value.(string); is && form && isBlank(text) {
		return nil, absent
	}
	if f == nil {
		return w.unknownValue(value, form)
	}
	switch f.Kind {
	case KindString:
		return w.text(value, "must be a string")
	case KindNumber:
		return w.number(value, "must be a number that is a 64-bit integer")
	case KindAny:
		if _, is := value.(string); is {
			return w.text(value, "must be a string or a number")
		}
		return w.number(value, "must be a string, or a number that is a 64-bit integer")
	case KindDate:
		return w.date(value)
	case KindBoolean:
		return w.boolean(value)
	case KindJSON:
		return w.json(value)
	case KindList:
		return w.list(f.Item, value, form)
	default:
		return w.nested(f, value)
	}
}

func (w *walk) nested(f *Field, value any) (any, verdict) {
	in, is := value.(map[string]any)
	if !is {
		w.refuse("must be an object")
		return nil, refused
	}
	s := sent{in: in}
	if !w.object(f, &s, false) {
		return nil, refused
	}
	if s.own != nil {
		return s.own, changed
	}
	return nil, unchanged
}

func (w *walk) text(value any, message string) (any, verdict) {
	text, is := value.(string)
	if !is {
		w.refuse(message)
		return nil, refused
	}
	if w.t.Encoding == EncodingQimenXML && !isXMLText(text) {
		w.refuse("holds a character that XML cannot carry")
		return nil, refused
	}
	w.canonical = appendString(w.canonical, text)
	return nil, unchanged
}

func (w *walk) number(value any, message string) (any, verdict) {
	written, is := value.(json.Number)
	if !is {
		w.refuse(message)
		return nil, refused
	}
	w.canonical = append(w.canonical, written...)
	if isCanonical(string(written)) {
		return nil, unchanged
	}
	number, is := parseNumber(string(written))
	if !is {
		w.refuse(message)
		return nil, refused
	}
	if sent := decimal(number); sent != written {
		return sent, changed
	}
	return nil, unchanged
}

func (w *walk) date(value any) (any, verdict) {
	text, is := value.(string)
	if is {
		if date, valid := parseDate(text); valid {
			w.canonical = appendString(w.canonical, text)
			if date == text {
				return nil, unchanged
			}
			return date, changed
		}
	}
	w.refuse("must be a date: yyyy-MM-dd HH:mm:ss in GMT+8, or RFC 3339 with an offset")
	return nil, refused
}

func (w *walk) boolean(value any) (any, verdict) {
	truth, is := value.(bool)
	if !is {
		w.refuse("must be true or false")
		return nil, refused
	}
	w.canonical = appendBool(w.canonical, truth)
	return nil, unchanged
}

// json accepts an object or array as it is, nulls included, and a text that holds one.
func (w *walk) json(value any) (any, verdict) {
	switch v := value.(type) {
	case map[string]any, []any:
		w.canonical = appendCanonical(w.canonical, v)
		return nil, unchanged
	case string:
		if holdsJSON(v) {
			w.canonical = appendString(w.canonical, v)
			return nil, unchanged
		}
	}
	w.refuse("must be a JSON object or array, or a string that holds one")
	return nil, refused
}
