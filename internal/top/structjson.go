package top

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/toprelay/worker/schemas"
)

// The JSON of a struct parameter is compact, keeps empty strings and zeros, and escapes no more than JSON demands: the
// sign covers the exact text, the platform parses it.

// appendObject appends a struct. f is nil for one that the schema does not know.
func appendObject(dst []byte, f *schemas.Field, object map[string]any) ([]byte, error) {
	dst = append(dst, '{')
	start := len(dst)
	err := inOrder(f, object, func(name string, member *schemas.Field, value any) error {
		if len(dst) > start {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendText(dst, name); err != nil {
			return err
		}
		dst = append(dst, ':')
		dst, err = appendValue(dst, member, value)
		return err
	})
	return append(dst, '}'), err
}

// appendValue appends one value. f is nil for a field that the schema does not know.
func appendValue(dst []byte, f *schemas.Field, value any) ([]byte, error) {
	switch v := value.(type) {
	case map[string]any:
		if isJSON(f) {
			return appendAsWritten(dst, v)
		}
		return appendObject(dst, f, v)
	case []any:
		if isJSON(f) {
			return appendAsWritten(dst, v)
		}
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendValue(dst, itemOf(f), item); err != nil {
				return dst, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return append(dst, ']'), nil
	}
	return appendAsWritten(dst, value)
}

// appendAsWritten appends any JSON value, nulls inside it too. Numbers pass as they were written.
func appendAsWritten(dst []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return appendText(dst, v)
	case json.Number:
		return append(dst, v...), nil
	case bool:
		if v {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case []any:
		dst = append(dst, '[')
		for i, item := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendAsWritten(dst, item); err != nil {
				return dst, err
			}
		}
		return append(dst, ']'), nil
	case map[string]any:
		dst = append(dst, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			var err error
			if dst, err = appendText(dst, name); err != nil {
				return dst, err
			}
			dst = append(dst, ':')
			if dst, err = appendAsWritten(dst, v[name]); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	}
	return dst, fmt.Errorf("a %T is no JSON value", value)
}

func appendText(dst []byte, s string) ([]byte, error) {
	dst, err := jsontext.AppendQuote(dst, s)
	if err != nil {
		return dst, fmt.Errorf("text is not UTF-8")
	}
	return dst, nil
}

func isJSON(f *schemas.Field) bool {
	return f != nil && f.Kind == schemas.KindJSON
}
