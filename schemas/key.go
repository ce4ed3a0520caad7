package schemas

import "encoding/json"

// joined makes the text of a key from data that was checked.
func joined(parts []KeyPart, data map[string]any, what string) (string, *Violation) {
	if len(parts) == 1 {
		return parts[0].text(data, what)
	}
	texts := make([]string, len(parts))
	for i := range parts {
		text, v := parts[i].text(data, what)
		if v != nil {
			return "", v
		}
		texts[i] = text
	}
	return JoinParts(texts...), nil
}

// text returns the first of the part's fields that is there.
func (p *KeyPart) text(data map[string]any, what string) (string, *Violation) {
	for i, names := range p.names {
		value, is := lookUp(data, names)
		if !is {
			continue
		}
		text := textOf(value)
		if isBlank(text) {
			return "", &Violation{Pointer: p.Pointers[i], Message: "must not be blank: it is " + what}
		}
		return text, nil
	}
	if len(p.Pointers) == 1 {
		return "", &Violation{Pointer: p.Pointers[0], Message: "is missing: it is " + what}
	}
	return "", &Violation{Message: "none of the fields that can be " + what + " is there"}
}

// idOf returns the idempotent id that data holds, or "" where it holds none and one may be derived.
func (t *Type) idOf(data map[string]any) (string, *Violation) {
	if len(t.ID) == 0 {
		return "", nil
	}
	if t.IDWrite != "" {
		if _, is := data[t.IDWrite]; !is {
			return "", nil
		}
	}
	return joined(t.ID, data, "the idempotent id")
}

// readableKey reads the ordering key of data that is invalid, "" where it has none. A number in the place of a text and
// the other way round are read: a key is text.
func (t *Type) readableKey(data map[string]any) string {
	read := make(map[string]any, len(t.Key))
	parts := make([]KeyPart, 0, len(t.Key))
	for _, part := range t.Key {
		for i, names := range part.names {
			value, is := lookUp(data, names)
			if !is || value == nil || t.Encoding == EncodingForm && isBlankText(value) {
				continue // it counts as absent
			}
			if number, is := value.(json.Number); is {
				if whole, ok := parseNumber(string(number)); ok {
					value = decimal(whole)
				}
			}
			pointer := part.Pointers[i]
			read[pointer] = value
			parts = append(parts, KeyPart{Pointers: []string{pointer}, names: [][]string{{pointer}}})
			break
		}
	}
	if len(parts) != len(t.Key) {
		return ""
	}
	key, v := joined(parts, read, "")
	if v != nil {
		return ""
	}
	return key
}

// textOf is the text of a String or a Number, "" of anything else.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	default:
		return ""
	}
}

// lookUp follows names down through objects.
func lookUp(data map[string]any, names []string) (any, bool) {
	for _, name := range names[:len(names)-1] {
		next, is := data[name].(map[string]any)
		if !is {
			return nil, false
		}
		data = next
	}
	value, is := data[names[len(names)-1]]
	return value, is
}
