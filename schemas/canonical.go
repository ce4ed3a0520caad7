package schemas

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The canonical form of data (contract section 3): members sorted by name, no white space, texts as decoded, numbers as
// written. It only feeds a hash, so it has to be unambiguous and stable, and nobody reads it. A change of these functions
// is a new CanonicalVersion.

const hexDigits = "0123456789abcdef"

// appendString appends s in quotes, with no more escapes than needed to find its end.
func appendString(out []byte, s string) []byte {
	out = append(out, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[from:i]...)
		from = i + 1
		if c >= ' ' {
			out = append(out, '\\', c)
		} else {
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(out, s[from:]...), '"')
}

func appendBool(out []byte, b bool) []byte {
	if b {
		return append(out, "true"...)
	}
	return append(out, "false"...)
}

// appendCanonical appends a value with all that is in it, nulls too: a value of the type Json.
func appendCanonical(out []byte, value any) []byte {
	return appendValue(out, value, false)
}

// appendSparse appends a value without members that are null.
func appendSparse(out []byte, value any) []byte {
	return appendValue(out, value, true)
}

func appendValue(out []byte, value any, sparse bool) []byte {
	switch v := value.(type) {
	case map[string]any:
		out = append(out, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if sparse && v[name] == nil {
				continue
			}
			if out[len(out)-1] != '{' {
				out = append(out, ',')
			}
			out = append(appendString(out, name), ':')
			out = appendValue(out, v[name], sparse)
		}
		return append(out, '}')
	case []any:
		out = append(out, '[')
		for i, item := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendValue(out, item, sparse)
		}
		return append(out, ']')
	case string:
		return appendString(out, v)
	case json.Number:
		return append(out, v...)
	case bool:
		return appendBool(out, v)
	default:
		return append(out, "null"...)
	}
}

// isBlank says whether s is empty or only white space: such a form parameter is never sent.
func isBlank(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return strings.TrimFunc(s, unicode.IsSpace) == ""
		}
		if c := s[i]; c != ' ' && (c < '\t' || c > '\r') {
			return false
		}
	}
	return true
}

func isBlankText(value any) bool {
	s, is := value.(string)
	return is && isBlank(s)
}

// holdsJSON says whether s is the text of one JSON object or array.
func holdsJSON(s string) bool {
	s = strings.TrimLeft(s, " \t\r\n")
	return s != "" && (s[0] == '{' || s[0] == '[') && json.Valid([]byte(s))
}
