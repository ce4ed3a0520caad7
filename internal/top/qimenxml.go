package top

import (
	"fmt"
	"unicode/utf8"

	"github.com/toprelay/worker/schemas"
)

// xmlRoot is the root element of a Qimen request.
const xmlRoot = "request"

// appendDocument appends the XML document of a Qimen call: siblings as the API page's sample has them, an element a list
// item, no element for null and for an empty list, text as it is.
func appendDocument(dst []byte, root *schemas.Field, data map[string]any) ([]byte, error) {
	dst = append(dst, `<?xml version="1.0" encoding="utf-8"?>`...)
	return appendElement(dst, xmlRoot, func(dst []byte) ([]byte, error) {
		return appendMembers(dst, root, data)
	})
}

func appendMembers(dst []byte, f *schemas.Field, object map[string]any) ([]byte, error) {
	err := inOrder(f, object, func(name string, member *schemas.Field, value any) error {
		if list, ok := value.([]any); ok && len(list) == 0 {
			return nil
		}
		var err error
		dst, err = appendElement(dst, name, func(dst []byte) ([]byte, error) {
			return appendContent(dst, name, member, value)
		})
		return err
	})
	return dst, err
}

// appendContent appends what stands between the tags of the element name.
func appendContent(dst []byte, name string, f *schemas.Field, value any) ([]byte, error) {
	if isJSON(f) && isComposite(value) {
		text, err := appendAsWritten(nil, value)
		if err != nil {
			return dst, err
		}
		return appendCharacters(dst, string(text))
	}
	switch v := value.(type) {
	case map[string]any:
		return appendMembers(dst, f, v)
	case []any:
		item := name + "Item"
		if f != nil && f.ItemName != "" {
			item = f.ItemName
		}
		for i, each := range v {
			var err error
			dst, err = appendElement(dst, item, func(dst []byte) ([]byte, error) {
				return appendContent(dst, item, itemOf(f), each)
			})
			if err != nil {
				return dst, fmt.Errorf("element %d: %w", i, err)
			}
		}
		return dst, nil
	}
	text, err := scalarText(value)
	if err != nil {
		return dst, err
	}
	return appendCharacters(dst, text)
}

func appendElement(dst []byte, name string, content func([]byte) ([]byte, error)) ([]byte, error) {
	if !xmlName(name) {
		return dst, fmt.Errorf("the name cannot be an XML element")
	}
	dst = append(append(append(dst, '<'), name...), '>')
	dst, err := content(dst)
	return append(append(append(dst, "</"...), name...), '>'), err
}

// appendCharacters escapes text. A carriage return must be a character reference: a parser turns a bare one into a line
// feed.
func appendCharacters(dst []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return dst, fmt.Errorf("text is not UTF-8")
	}
	for _, r := range text {
		switch r {
		case '<':
			dst = append(dst, "&lt;"...)
		case '>':
			dst = append(dst, "&gt;"...)
		case '&':
			dst = append(dst, "&amp;"...)
		case '\r':
			dst = append(dst, "&#13;"...)
		default:
			if !xmlCharacter(r) {
				return dst, fmt.Errorf("text holds a character that XML cannot carry")
			}
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst, nil
}

// xmlCharacter is the production Char of XML 1.0, section 2.2.
func xmlCharacter(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' ||
		r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// xmlName tells whether a field's name is an element's name too: names of the APIs are ASCII.
func xmlName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return name != ""
}
