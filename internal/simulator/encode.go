package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// encode writes the reply in the format that the call asked for. wrapped keeps the root in simplified JSON too: errors
// have it always.
func (c *call) encode(root string, fields []field, wrapped bool) []byte {
	b := make([]byte, 0, 384)
	if !c.wantsJSON() {
		b = append(b, `<?xml version="1.0" encoding="utf-8" ?>`...)
		b = appendXML(b, root, fields)
		return append(b, "<!--"+hostComment+"-->"...)
	}
	if c.system.simplify && !wrapped {
		return appendJSON(b, fields, true)
	}
	return appendJSON(b, []field{{root, fields}}, c.system.simplify)
}

// hostComment names a host of the platform, as XML replies do at their end.
const hostComment = "top010179031191.s.et2"

// appendJSON writes a value as the platform does: "/" escaped, other text raw, a list as an object with one member
// that names the type of its items unless simplified.
func appendJSON(b []byte, value any, simplified bool) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendJSONText(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case json.Number:
		return append(b, v...)
	case []field:
		b = append(b, '{')
		for i, f := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendJSONText(b, f.name), ':')
			b = appendJSON(b, f.value, simplified)
		}
		return append(b, '}')
	case map[string]any:
		return appendJSON(b, sortedFields(v), simplified)
	case []any:
		if !simplified {
			b = append(append(b, `{"`...), itemName(v)...)
			b = append(b, `":`...)
		}
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item, simplified)
		}
		b = append(b, ']')
		if !simplified {
			b = append(b, '}')
		}
		return b
	}
	return append(b, "null"...)
}

func sortedFields(m map[string]any) []field {
	fields := make([]field, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fields = append(fields, field{name, m[name]})
	}
	return fields
}

// itemName names the items of a list by their type (protocol page, section 4.3).
func itemName(list []any) string {
	if len(list) == 0 {
		return "string"
	}
	switch list[0].(type) {
	case int64, json.Number:
		return "number"
	case bool:
		return "boolean"
	case []field, map[string]any:
		return "object"
	}
	return "string"
}

func appendJSONText(b []byte, text string) []byte {
	start := len(b)
	b, err := jsontext.AppendQuote(b, text)
	if err != nil {
		// Only for text that is no UTF-8, which is then replaced. The result is written all the same.
		b, _ = jsontext.AppendQuote(b[:start], bytes.ToValidUTF8([]byte(text), []byte("\ufffd")))
	}
	slashes := bytes.Count(b[start:], []byte{'/'})
	if slashes == 0 {
		return b
	}
	escaped := bytes.ReplaceAll(b[start:], []byte{'/'}, []byte(`\/`))
	return append(b[:start], escaped...)
}

// appendXML writes an element. Lists are an element around one element for each item.
func appendXML(b []byte, name string, value any) []byte {
	b = append(append(append(b, '<'), name...), '>')
	switch v := value.(type) {
	case nil:
	case string:
		b = appendXMLText(b, v)
	case bool:
		b = strconv.AppendBool(b, v)
	case int64:
		b = strconv.AppendInt(b, v, 10)
	case json.Number:
		b = append(b, v...)
	case []field:
		for _, f := range v {
			b = appendXML(b, f.name, f.value)
		}
	case map[string]any:
		for _, f := range sortedFields(v) {
			b = appendXML(b, f.name, f.value)
		}
	case []any:
		item := itemName(v)
		for _, value := range v {
			b = appendXML(b, item, value)
		}
	}
	return append(append(append(b, "</"...), name...), '>')
}

func appendXMLText(b []byte, text string) []byte {
	for _, r := range text {
		switch {
		case r == '&':
			b = append(b, "&amp;"...)
		case r == '<':
			b = append(b, "&lt;"...)
		case r == '>':
			b = append(b, "&gt;"...)
		case r == '"':
			b = append(b, "&quot;"...)
		case r == '\r':
			b = append(b, "&#13;"...)
		case r < ' ' && r != '\t' && r != '\n', r == 0xfffe, r == 0xffff:
			b = utf8.AppendRune(b, utf8.RuneError)
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}
