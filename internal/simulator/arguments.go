package simulator

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/toprelay/worker/schemas"
)

// arguments are the business parameters of a call, read from the wire and checked against the catalogue.
type arguments struct {
	data    map[string]any
	key     string // ordering key of the event that the call was made from
	refusal *PlatformError
}

// readArguments reads and checks the arguments once; the call's method must be known.
func (c *call) readArguments() *arguments {
	if c.argumentsRead {
		return &c.arguments
	}
	c.argumentsRead = true
	a := &c.arguments
	if a.data, a.refusal = c.decodeArguments(); a.refusal != nil {
		return a
	}
	checked, violation := c.api.Check(a.data, schemas.UnknownDrop)
	a.key = checked.Key
	if violation != nil {
		a.refusal = refuseViolation(violation, a.data)
	} else if id := c.api.IDWrite; id != "" && a.data[id] == nil {
		// A publisher may leave it out, since the worker derives it. The platform asks for it.
		a.refusal = missingArgument(id)
	}
	return a
}

func (c *call) decodeArguments() (map[string]any, *PlatformError) {
	switch c.api.Encoding {
	case schemas.EncodingStruct:
		text := c.value(c.api.Param)
		if isBlank(text) {
			return nil, missingArgument(c.api.Param)
		}
		return readObjectText(text, c.api.Root, c.api.Param, "")
	case schemas.EncodingQimenXML:
		text := c.body
		if text == "" {
			text = c.value("request")
		}
		if isBlank(text) {
			return nil, missingArgument("request")
		}
		if strings.HasPrefix(strings.TrimSpace(text), "{") {
			return readQimenJSON(text, c.api.Root)
		}
		return readQimenXML(text, c.api.Root)
	default: // EncodingForm
		return c.readForm()
	}
}

// value returns the parameter's text, empty where it was not sent.
func (c *call) value(name string) string {
	for _, p := range c.params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// readForm reads flat parameters. What the method does not know is ignored, what is blank counts as absent.
func (c *call) readForm() (map[string]any, *PlatformError) {
	data := make(map[string]any, len(c.params))
	for _, p := range c.params {
		field := c.api.Root.Member(p.name)
		if field == nil || systemParams[p.name] || isBlank(p.value) {
			continue
		}
		value, refusal := readParam(p.value, field)
		if refusal != nil {
			return nil, refusal
		}
		data[p.name] = value
	}
	return data, nil
}

// readParam reads one flat parameter: structs and lists of structs are JSON, lists of scalars are joined with commas.
func readParam(text string, f *schemas.Field) (any, *PlatformError) {
	switch {
	case f.Kind == schemas.KindObject:
		return readObjectText(text, f, f.Name, f.Name)
	case f.Kind == schemas.KindList && (f.Item == nil || !f.Item.Kind.Scalar()):
		return readListText(text, f)
	case f.Kind == schemas.KindList:
		parts := strings.Split(text, ",")
		list := make([]any, len(parts))
		for i, part := range parts {
			value, ok := readScalar(part, f.Item.Kind)
			if !ok {
				return nil, invalidArgument(f.Name + "." + strconv.Itoa(i))
			}
			list[i] = value
		}
		return list, nil
	}
	value, ok := readScalar(text, f.Kind)
	if !ok {
		return nil, invalidArgument(f.Name)
	}
	return value, nil
}

// readScalar reads a value that is text on the wire: a flat parameter or the text of an XML element.
func readScalar(text string, kind schemas.Kind) (any, bool) {
	switch kind {
	case schemas.KindNumber:
		return json.Number(text), isInteger(text)
	case schemas.KindBoolean:
		return text == "true", text == "true" || text == "false"
	case schemas.KindDate:
		return text, isDate(text)
	case schemas.KindAny:
		if isInteger(text) {
			return json.Number(text), true
		}
		return text, true
	default: // text
		return text, true
	}
}

// isInteger tells whether text is a decimal 64-bit integer in its shortest form, the only one that a client may send.
func isInteger(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && text != "0") {
		return false
	}
	_, err := strconv.ParseInt(text, 10, 64)
	return err == nil
}

// isDate tells whether text is a date as the wire has it; RFC 3339 is for publishers only.
func isDate(text string) bool {
	if len(text) != len(time.DateTime) {
		return false
	}
	_, err := time.ParseInLocation(time.DateTime, text, gmt8)
	return err == nil
}

func isBlank(text string) bool { return strings.TrimSpace(text) == "" }

// refuseViolation tells a missing argument (40) from a wrong one (41) by whether the data holds it.
func refuseViolation(v *schemas.Violation, data map[string]any) *PlatformError {
	if v.Pointer == "" {
		return refuse(41, "isv.invalid-parameter", "Invalid arguments")
	}
	segments := strings.Split(v.Pointer[1:], "/")
	for i, segment := range segments {
		segments[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)
	}
	name := strings.Join(segments, ".")
	var at any = data
	for _, segment := range segments {
		switch value := at.(type) {
		case map[string]any:
			at = value[segment]
		case []any:
			at = nil
			if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(value) {
				at = value[i]
			}
		default:
			at = nil
		}
	}
	if at == nil {
		return missingArgument(name)
	}
	return invalidArgument(name)
}

// hasKey tells whether the call's event has the ordering key, or a key of several parts with this part.
func (c *call) hasKey(key string) bool {
	if c.api == nil {
		return false
	}
	own := c.readArguments().key
	if own == key {
		return own != ""
	}
	for _, part := range splitParts(own) {
		if part == key {
			return true
		}
	}
	return false
}

// splitParts undoes schemas.JoinParts. A key that was not joined has no parts.
func splitParts(key string) []string {
	var parts []string
	for key != "" {
		length, rest, found := strings.Cut(key, ":")
		n, err := strconv.Atoi(length)
		if !found || err != nil || n < 0 || n > len(rest) {
			return nil
		}
		parts, key = append(parts, rest[:n]), rest[n:]
	}
	return parts
}
