package top

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/toprelay/worker/schemas"
)

// Payload is the business part of a call: what is sent at every attempt. It is not changed by a call.
type Payload struct {
	Params []Param // sorted by name, none of them blank
	Body   []byte  // the XML document of a Qimen call, else nil
}

// Encode makes the payload of a call from data that schemas.Type.Check has passed (its Checked.Data): dates and numbers
// are in their final text, nulls are gone. An error says which field cannot be sent, never its value.
func Encode(t *schemas.Type, data map[string]any) (Payload, error) {
	switch t.Encoding {
	case schemas.EncodingForm:
		return encodeForm(t, data)
	case schemas.EncodingStruct:
		text, err := written(func(b []byte) ([]byte, error) { return appendObject(b, t.Root, data) })
		if err != nil {
			return Payload{}, fmt.Errorf("encode %s: %w", t.Method, err)
		}
		return Payload{Params: []Param{{t.Param, string(text)}}}, nil
	case schemas.EncodingQimenXML:
		body, err := written(func(b []byte) ([]byte, error) { return appendDocument(b, t.Root, data) })
		if err != nil {
			return Payload{}, fmt.Errorf("encode %s: %w", t.Method, err)
		}
		return Payload{Body: body}, nil
	}
	return Payload{}, fmt.Errorf("encode %s: unknown encoding %q in its schema", t.Method, t.Encoding)
}

// drafts are buffers to write a payload in: the payload itself, which waits with its event, has no byte to spare.
var drafts = sync.Pool{New: func() any { return new([]byte) }}

// written is what write appends, in a slice of its own.
func written(write func([]byte) ([]byte, error)) ([]byte, error) {
	draft := drafts.Get().(*[]byte)
	text, err := write((*draft)[:0])
	out := bytes.Clone(text)
	if cap(text) <= maxKept {
		*draft = text
		drafts.Put(draft)
	}
	return out, err
}

// encodeForm makes one parameter of each member.
func encodeForm(t *schemas.Type, data map[string]any) (Payload, error) {
	params := make([]Param, 0, len(data))
	for name, value := range data {
		if value == nil {
			continue
		}
		if IsSystemParam(name) {
			return Payload{}, fmt.Errorf("encode %s: %s is a system parameter", t.Method, name)
		}
		text, err := formText(t.Root, name, value)
		if err != nil {
			return Payload{}, fmt.Errorf("encode %s: %s: %w", t.Method, name, err)
		}
		if !Blank(text) {
			params = append(params, Param{name, text})
		}
	}
	sortParams(params)
	return Payload{Params: params}, nil
}

// formText is the value of one form parameter: a list of plain values is joined with commas, all else that is nested is
// compact JSON.
func formText(root *schemas.Field, name string, value any) (string, error) {
	if !isComposite(value) {
		return scalarText(value)
	}
	f := memberOf(root, name)
	if list, ok := value.([]any); ok && !isJSON(f) && schemas.CommaJoined(list) {
		return commaJoined(list)
	}
	text, err := appendValue(nil, f, value)
	return string(text), err
}

// commaJoined is a top-level list on the wire. A comma inside an element could not be told from one between two.
func commaJoined(list []any) (string, error) {
	var joined strings.Builder
	for i, item := range list {
		text, err := scalarText(item)
		if err != nil {
			return "", err
		}
		if strings.Contains(text, ",") {
			return "", fmt.Errorf("element %d holds a comma", i)
		}
		if i > 0 {
			joined.WriteByte(',')
		}
		joined.WriteString(text)
	}
	return joined.String(), nil
}

func scalarText(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case json.Number:
		return string(v), nil
	case bool:
		if v {
			return "true", nil
		}
		return "false", nil
	}
	return "", fmt.Errorf("a %T cannot be sent as text", value)
}

func isComposite(value any) bool {
	switch value.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

// inOrder walks the members of an object as its fields stand on the API page, then those that no field describes, by
// name: the same data always gives the same bytes. Members that are null are left out. f is nil for an object that the
// schema does not know.
func inOrder(f *schemas.Field, object map[string]any, visit func(name string, f *schemas.Field, value any) error) error {
	known := 0
	if f != nil {
		for _, member := range f.Fields {
			value, ok := object[member.Name]
			if !ok {
				continue
			}
			known++
			if value == nil {
				continue
			}
			if err := visit(member.Name, member, value); err != nil {
				return fmt.Errorf("%s: %w", member.Name, err)
			}
		}
	}
	if known == len(object) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		if value == nil || memberOf(f, name) != nil {
			continue
		}
		if err := visit(name, nil, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// memberOf and itemOf bear fields that the schema does not know (nil).
func memberOf(f *schemas.Field, name string) *schemas.Field {
	if f == nil {
		return nil
	}
	return f.Member(name)
}

func itemOf(f *schemas.Field) *schemas.Field {
	if f == nil {
		return nil
	}
	return f.Item
}
