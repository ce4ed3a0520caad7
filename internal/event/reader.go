package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// maxDepth bounds the nesting of data: that many objects and lists may enclose each other, data itself is the first.
// No API page comes near it. Data that is deeper is invalid_data; what lies deeper is checked but not kept.
const maxDepth = 512

// reader reads one JSON text strictly: UTF-8, no lone surrogates, no second value. It reads on after a member that is
// named twice, because text that is no JSON further on is the graver defect; hence it lets jsontext accept such
// members and finds them itself, which is also faster.
type reader struct {
	dec jsontext.Decoder
	buf bytes.Buffer // over the text itself, which saves jsontext a copy
	// text is a copy of the whole text that the strings and numbers of the result are cut from.
	text string
	// values is the stack of the members and elements whose object or list is not complete yet.
	values []member
	// path leads to the value that is being read, for pointers.
	path []step
	// defect is the first defect of the data that was found.
	defect  *Defect
	scratch []byte
}

// member is a value of an object or a list that is not complete yet. In a list it has no name.
type member struct {
	name  string
	value any
}

var readers = sync.Pool{New: func() any { return new(reader) }}

// newReader takes a reader out of the pool. text must not change until release.
func newReader(text []byte) *reader {
	rd := readers.Get().(*reader)
	rd.start(text)
	return rd
}

// start makes the reader ready for a text.
func (rd *reader) start(text []byte) {
	rd.buf = *bytes.NewBuffer(shallow(text))
	rd.text = string(text)
	rd.dec.Reset(&rd.buf, jsontext.AllowDuplicateNames(true))
	clear(rd.values)
	rd.values, rd.path, rd.defect = rd.values[:0], rd.path[:0], nil
}

// release gives the reader back. Nothing of the text stays in it, and nothing big.
func (rd *reader) release() {
	const keep = 1 << 10 // elements
	rd.start(nil)
	if cap(rd.values) > keep {
		rd.values = nil
	}
	clear(rd.path[:cap(rd.path)])
	if cap(rd.scratch) > 16*keep {
		rd.scratch = nil
	}
	readers.Put(rd)
}

// document reads the whole text as one value.
func (rd *reader) document() (any, *Defect) {
	value, err := rd.value()
	if err == nil {
		err = rd.end()
	}
	if err != nil {
		return nil, rd.unreadable(err)
	}
	return value, nil
}

// end checks that nothing but white space follows.
func (rd *reader) end() error {
	switch _, err := rd.dec.ReadToken(); {
	case errors.Is(err, io.EOF):
		return nil
	case err == nil:
		return errTrailing
	default:
		return err
	}
}

var errTrailing = errors.New("more than one JSON value")

// value reads the next value.
func (rd *reader) value() (any, error) {
	switch kind := rd.dec.PeekKind(); kind {
	case '{', '[':
		if len(rd.path) == maxDepth {
			rd.report("data is nested deeper than " + strconv.Itoa(maxDepth) + " levels")
			return nil, rd.dec.SkipValue() // checked, and not kept
		}
		if kind == '{' {
			return rd.object()
		}
		return rd.list()
	case '"':
		return rd.quoted()
	case '0':
		raw, err := rd.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		end := int(rd.dec.InputOffset())
		return json.Number(rd.text[end-len(raw) : end]), nil
	default: // null, true, false, or a fault that jsontext reports now
		token, err := rd.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		if token.Kind() == 'n' {
			return nil, nil
		}
		return token.Bool(), nil
	}
}

// quoted reads a string, or the name of a member.
func (rd *reader) quoted() (string, error) {
	raw, err := rd.dec.ReadValue()
	if err != nil {
		return "", err
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		end := int(rd.dec.InputOffset())
		return rd.text[end-len(raw)+1 : end-1], nil
	}
	if rd.scratch, err = jsontext.AppendUnquote(rd.scratch[:0], raw); err != nil {
		return "", err
	}
	return string(rd.scratch), nil
}

// object reads an object. Of a member that is named twice the last one stays, and the defect is noted.
func (rd *reader) object() (any, error) {
	if _, err := rd.dec.ReadToken(); err != nil {
		return nil, err
	}
	base, at := len(rd.values), len(rd.path)
	rd.path = append(rd.path, step{})
	for rd.dec.PeekKind() != '}' {
		name, err := rd.quoted()
		if err != nil {
			return nil, err
		}
		rd.path[at] = step{name: name, isName: true}
		value, err := rd.value()
		if err != nil {
			return nil, err
		}
		rd.values = append(rd.values, member{name, value})
	}
	members := rd.values[base:]
	object := make(map[string]any, len(members))
	for i, m := range members {
		object[m.name] = m.value
		if len(object) <= i && rd.defect == nil {
			rd.path[at].name = m.name
			rd.report("a member is named twice")
		}
	}
	rd.pop(base, at)
	_, err := rd.dec.ReadToken()
	return object, err
}

// list reads a list.
func (rd *reader) list() (any, error) {
	if _, err := rd.dec.ReadToken(); err != nil {
		return nil, err
	}
	base, at := len(rd.values), len(rd.path)
	rd.path = append(rd.path, step{})
	for rd.dec.PeekKind() != ']' {
		rd.path[at].index = len(rd.values) - base
		value, err := rd.value()
		if err != nil {
			return nil, err
		}
		rd.values = append(rd.values, member{value: value})
	}
	list := make([]any, len(rd.values)-base)
	for i, m := range rd.values[base:] {
		list[i] = m.value
	}
	rd.pop(base, at)
	_, err := rd.dec.ReadToken()
	return list, err
}

// pop takes a complete object or list off the stack.
func (rd *reader) pop(base, at int) {
	clear(rd.values[base:])
	rd.values, rd.path = rd.values[:base], rd.path[:at]
}

// report notes a defect of the data at the path where the reader is. The first one stays.
func (rd *reader) report(message string) {
	if rd.defect == nil {
		rd.defect = &Defect{Reason: ReasonInvalidData, Pointer: pointerOf(rd.path), Message: message}
	}
}

// unreadable says why a text is not exactly one JSON value, without quoting any of it.
func (rd *reader) unreadable(err error) *Defect {
	text := rd.text
	var syntax *jsontext.SyntacticError
	switch {
	case len(text) >= 3 && text[:3] == "\xef\xbb\xbf":
		return malformed("the value begins with a byte order mark")
	case !utf8.ValidString(text):
		return malformed("the value is not UTF-8")
	case err == errTrailing:
		return malformed("the value is more than one JSON value: text follows at byte " +
			strconv.FormatInt(rd.dec.InputOffset(), 10))
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return malformed("the value is not JSON: it ends too early")
	case errors.As(err, &syntax):
		return malformed("the value is not JSON: wrong at byte " + strconv.FormatInt(syntax.ByteOffset, 10))
	}
	return malformed("the value is not JSON")
}
