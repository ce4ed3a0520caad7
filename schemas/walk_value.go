package schemas

import (
	"encoding/json"
	"slices"
	"strings"
)

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
		_, is := w.text(value, "must be a string")
		return w.oneOf(f, value, is)
	case KindNumber:
		sent, is := w.number(value, "must be a number that is a 64-bit integer")
		if is == changed {
			value = sent
		}
		return w.oneOf(f, value, is)
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

// oneOf checks a text or number that is sent against the values that f may have.
func (w *walk) oneOf(f *Field, value any, is verdict) (any, verdict) {
	if is != refused && f.Enum != nil && !slices.Contains(f.Enum, textOf(value)) {
		w.refuse("must be one of " + strings.Join(f.Enum, ", "))
		return nil, refused
	}
	return value, is
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
