package schemas

import (
	"encoding/json"
	"strings"

	"github.com/toprelay/worker/internal/redact"
)

// Sensitive returns the texts of all fields of data that are marked as personal data, and of all unknown fields, of which
// nobody knows what they hold. Texts from outside that may echo them (messages of the platform) are masked with it. data
// need not be valid.
func (t *Type) Sensitive(data map[string]any) []string {
	var out []string
	collect(t.Root, data, &out)
	return out
}

// collect adds the texts of value that f (nil: an unknown field) marks.
func collect(f *Field, value any, out *[]string) {
	f = fitting(f, value)
	marked := f == nil || f.PII != ""
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			collect(below(f, name), member, out)
		}
	case []any:
		for _, item := range v {
			collect(itemOf(f), item, out)
		}
	case string:
		if !marked || isBlank(v) {
			return
		}
		*out = append(*out, v)
		if inner, ok := parsed(v); ok {
			collect(nil, inner, out)
		}
	case json.Number:
		if marked {
			*out = append(*out, string(v))
		}
	}
}

// below is the field of a member, nil where all that is below is as good as unknown: the type Json, and what stands where
// no struct should. An unmarked Json value stays unmarked.
func below(f *Field, name string) *Field {
	if f == nil {
		return nil
	}
	if f.Kind == KindJSON {
		return f
	}
	return f.Member(name)
}

func itemOf(f *Field) *Field {
	if f == nil {
		return nil
	}
	if f.Kind == KindJSON {
		return f
	}
	return f.Item
}

// fitting is f, or nil where a text stands in the place of a struct or list: nobody knows what is in it.
func fitting(f *Field, value any) *Field {
	if _, text := value.(string); text && f != nil && (f.Kind == KindObject || f.Kind == KindList) {
		return nil
	}
	return f
}

// parsed reads the object or array that a text holds.
func parsed(s string) (any, bool) {
	if !holdsJSON(s) {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var value any
	return value, dec.Decode(&value) == nil
}

// Mask returns a copy of data for display: marked fields are masked by their kind, unknown ones hidden, and numbers that
// look like a person's are masked wherever they stand. data need not be valid, and may be what the type's data never is.
func (t *Type) Mask(data any) any {
	if _, is := data.(map[string]any); !is {
		return mask(nil, data)
	}
	return mask(t.Root, data)
}

func mask(f *Field, value any) any {
	f = fitting(f, value)
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[name] = mask(below(f, name), member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = mask(itemOf(f), item)
		}
		return out
	case string:
		switch {
		case f == nil:
			return redact.Value(redact.KindText, v)
		case f.PII != "":
			return redact.Value(f.PII, v)
		default:
			return redact.Numbers(v)
		}
	case json.Number:
		if f == nil || f.PII != "" {
			return redact.Hidden
		}
		return v
	default:
		return v
	}
}
