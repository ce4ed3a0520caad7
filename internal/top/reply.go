package top

import (
	"bytes"
	"encoding/json"
	"errors"
	"html"
	"slices"
	"strconv"
	"strings"

	"github.com/toprelay/worker/schemas"
)

// kind says which of the platform's shapes a body has.
type kind uint8

const (
	kindUnknown  kind = iota // no definite answer: a reply of unknown effect
	kindError                // the platform's error_response, or a failure of the Qimen gateway
	kindBusiness             // the API's own reply, with a success field
)

// reading is what a body says.
type reading struct {
	kind    kind
	success bool // kindBusiness

	code, subCode, message, requestID string
	fields                            map[string]any
}

var (
	errNotJSON   = errors.New("the reply is not JSON")
	errNotXML    = errors.New("the reply is neither XML nor JSON")
	errEmpty     = errors.New("the reply is empty")
	errNoSuccess = errors.New("the reply has no success field")
	errNoCode    = errors.New("the reply is an error without a code")
)

var byteOrderMark = []byte("\uFEFF")

// read reads a body. An error comes with kindUnknown and says why there is no answer in it; it never repeats the body.
// body is used up.
func (d *replyDecoder) read(t *schemas.Type, body *bytes.Buffer) (reading, error) {
	if bytes.HasPrefix(body.Bytes(), byteOrderMark) {
		body.Next(len(byteOrderMark))
	}
	text := bytes.TrimLeft(body.Bytes(), " \t\r\n")
	if len(text) == 0 {
		return reading{}, errEmpty
	}
	qimen := t.Encoding == schemas.EncodingQimenXML
	if qimen && text[0] == '<' {
		top, err := d.readXML(body)
		if err != nil {
			return reading{}, errNotXML
		}
		return interpret(t, top)
	}
	top, err := d.readJSON(body)
	if err != nil && qimen {
		return reading{}, errNotXML
	}
	if err != nil {
		return reading{}, errNotJSON
	}
	return interpret(t, top)
}

// interpret finds the answer in the tree of a body. The shapes: {"error_response":{…}}; {"…_response":{…}} with the
// fields and request_id inside; simplified, without that root; Qimen's <response> with the page's fields, or with
// flag, code and message where the gateway itself refused.
func interpret(t *schemas.Type, top map[string]any) (reading, error) {
	if failure, ok := top["error_response"]; ok {
		return platformError(failure, "msg", "sub_msg")
	}
	root := rootOf(t, top)
	if t.Encoding == schemas.EncodingQimenXML && strings.EqualFold(strings.TrimSpace(textAt(root, "flag")), "failure") {
		return platformError(root, "message", "sub_message")
	}
	success, ok := boolean(at(root, t.Reply.Success...))
	if !ok || len(t.Reply.Success) == 0 {
		return reading{}, errNoSuccess
	}
	r := reading{kind: kindBusiness, success: success, requestID: short(textAt(root, "request_id"))}
	if r.requestID == "" {
		r.requestID = short(textAt(top, "request_id"))
	}
	if !success {
		r.code = short(pathText(root, t.Reply.Code))
		r.message = message(pathText(root, t.Reply.Message))
	}
	for _, f := range t.Reply.Fields {
		if value := fieldValue(f, at(root, f.Path...)); value != nil {
			if r.fields == nil {
				r.fields = make(map[string]any, len(t.Reply.Fields))
			}
			r.fields[f.Name] = value
		}
	}
	return r, nil
}

// rootOf finds the object that holds the reply's fields: the member that bears the method's name, the top itself where
// the reply is simplified, or the only object, whatever its name.
func rootOf(t *schemas.Type, top map[string]any) map[string]any {
	if root, ok := top[ResponseName(t.Method)].(map[string]any); ok {
		return root
	}
	if at(top, t.Reply.Success...) != nil {
		return top
	}
	var only map[string]any
	for _, value := range top {
		if object, ok := value.(map[string]any); ok {
			if only != nil {
				return top
			}
			only = object
		}
	}
	if only == nil {
		return top
	}
	return only
}

// platformError reads a refusal of the platform.
func platformError(failure any, msgName, subMsgName string) (reading, error) {
	r := reading{
		kind:      kindError,
		code:      short(textAt(failure, "code")),
		subCode:   short(textAt(failure, "sub_code")),
		requestID: short(textAt(failure, "request_id")),
	}
	if r.code == "" && r.subCode == "" {
		return reading{}, errNoCode
	}
	parts := []string{textAt(failure, msgName), textAt(failure, subMsgName)}
	r.message = message(strings.Join(slices.DeleteFunc(parts, Blank), ": "))
	return r, nil
}

// boolean reads a success field: a Boolean, or its text as in XML.
func boolean(value any) (is, ok bool) {
	switch v := value.(type) {
	case bool:
		return v, true
	case string:
		switch strings.TrimSpace(v) {
		case "true":
			return true, true
		case "false":
			return false, true
		}
	}
	return false, false
}

// fieldValue is the value of a business field: a list as a plain array, a number as json.Number, absent as nil. The
// platform wraps a list into an object with the name of its items ({"number":[1,2]}), or leaves one without items empty.
func fieldValue(f schemas.ReplyField, value any) any {
	if !f.List {
		return scalarValue(f.Kind, value)
	}
	if object, ok := value.(map[string]any); ok && len(object) <= 1 {
		value = nil
		for _, items := range object {
			value = items
		}
	}
	list, ok := value.([]any)
	if !ok && value != nil && value != "" {
		list = []any{value} // in XML one item looks like a field
	}
	if list == nil {
		return nil
	}
	items := make([]any, 0, len(list))
	for _, item := range list {
		if item = scalarValue(f.Kind, item); item != nil {
			items = append(items, item)
		}
	}
	return items
}

// scalarValue turns the texts of an XML reply into what they stand for. Values of another shape stay as they are.
func scalarValue(k schemas.Kind, value any) any {
	text, ok := value.(string)
	switch {
	case ok && k == schemas.KindNumber:
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			return json.Number(text)
		}
	case ok && k == schemas.KindBoolean:
		if is, ok := boolean(value); ok {
			return is
		}
	}
	return value
}

func pathText(root any, path []string) string {
	if len(path) == 0 {
		return ""
	}
	return textAt(root, path...)
}

// Bounds of the texts that are handed on.
const (
	maxShort   = 256
	maxMessage = 64 << 10
)

// short bounds a code or an id.
func short(text string) string {
	return cut(strings.TrimSpace(text), maxShort)
}

// message bounds a message. The platform may escape apostrophes as in HTML.
func message(text string) string {
	if strings.Contains(text, "&") {
		text = html.UnescapeString(text)
	}
	return cut(text, maxMessage)
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "")
}
