package top

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// A reply is read into a tree of map[string]any, []any, string, json.Number, bool and nil. What a reply says stands in
// few and shallow fields, so the tree is bounded: what is beyond the bounds is checked for its syntax and left out, and
// what comes after it is still read.
const (
	maxTreeDepth = 64
	maxTreeNodes = 20_000
	maxTreeItems = 1_000   // of one list
	maxTreeText  = 1 << 20 // bytes, of all texts together
)

// replyDecoder may be used again for the next reply.
type replyDecoder struct {
	json  jsontext.Decoder
	nodes int
	text  int64
}

var (
	errTrailing  = errors.New("text after the end")
	errNotObject = errors.New("not an object")
	errTooDeep   = errors.New("nested too deep")
)

// readJSON reads one JSON object. A member that is named twice counts as its last one; bytes that are not UTF-8 (GBK
// replies of proxies) become U+FFFD.
func (d *replyDecoder) readJSON(body *bytes.Buffer) (map[string]any, error) {
	d.nodes, d.text = maxTreeNodes, maxTreeText
	d.json.Reset(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.json.PeekKind() != '{' {
		return nil, errNotObject
	}
	value, err := d.jsonValue(0)
	if err != nil {
		return nil, err
	}
	if _, err := d.json.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errTrailing
	}
	root, _ := value.(map[string]any)
	return root, nil
}

func (d *replyDecoder) jsonValue(depth int) (any, error) {
	d.nodes--
	if depth > maxTreeDepth || d.nodes < 0 {
		return nil, d.json.SkipValue()
	}
	start := d.json.InputOffset()
	token, err := d.json.ReadToken()
	if err != nil {
		return nil, err
	}
	switch token.Kind() {
	case '{':
		object := make(map[string]any)
		for d.json.PeekKind() != '}' {
			name, err := d.json.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			value, err := d.jsonValue(depth + 1)
			if err != nil {
				return nil, err
			}
			if value != nil && d.afford(int64(len(key))) {
				object[key] = value
			}
		}
		_, err := d.json.ReadToken()
		return object, err
	case '[':
		list := []any{}
		for d.json.PeekKind() != ']' {
			if len(list) == maxTreeItems {
				if err := d.json.SkipValue(); err != nil {
					return nil, err
				}
				continue
			}
			item, err := d.jsonValue(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		_, err := d.json.ReadToken()
		return list, err
	case '"':
		if d.afford(d.json.InputOffset() - start) {
			return token.String(), nil
		}
	case '0':
		if d.afford(d.json.InputOffset() - start) {
			return json.Number(token.String()), nil
		}
	case 't':
		return true, nil
	case 'f':
		return false, nil
	default: // null
	}
	return nil, nil
}

// afford takes the length of a text from what may still be kept; false where it is too long.
func (d *replyDecoder) afford(length int64) bool {
	if length > d.text {
		return false
	}
	d.text -= length
	return true
}

// readXML reads one XML document: an element with children is an object, children of one name are a list, any other
// element is its text. The result has the root element as its one member. The platform ends its documents with a
// comment, which is ignored; entities other than XML's own five are errors.
func (d *replyDecoder) readXML(body *bytes.Buffer) (map[string]any, error) {
	d.nodes, d.text = maxTreeNodes, maxTreeText
	decoder := xml.NewDecoder(body)
	var root map[string]any
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if root != nil {
				return nil, errTrailing
			}
			value, err := d.xmlElement(decoder, 0)
			if err != nil {
				return nil, err
			}
			root = map[string]any{t.Name.Local: value}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, errTrailing
			}
		case xml.Directive:
			return nil, fmt.Errorf("a document type")
		}
	}
}

func (d *replyDecoder) xmlElement(decoder *xml.Decoder, depth int) (any, error) {
	if depth > maxTreeDepth {
		return nil, errTooDeep
	}
	d.nodes--
	var text strings.Builder
	var object map[string]any
	for {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			value, err := d.xmlElement(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			if object == nil {
				object = make(map[string]any)
			}
			if d.nodes >= 0 && d.afford(int64(len(t.Name.Local))) {
				addChild(object, t.Name.Local, value)
			}
		case xml.CharData:
			if d.afford(int64(len(t))) {
				text.Write(t)
			}
		case xml.EndElement:
			if object != nil {
				return object, nil
			}
			return text.String(), nil
		}
	}
}

func addChild(object map[string]any, name string, value any) {
	switch before := object[name].(type) {
	case nil:
		object[name] = value
	case []any:
		object[name] = append(before, value)
	default:
		object[name] = []any{before, value}
	}
}

// at follows a path of member names; nil where it leads nowhere.
func at(node any, path ...string) any {
	for _, name := range path {
		object, ok := node.(map[string]any)
		if !ok {
			return nil
		}
		node = object[name]
	}
	return node
}

// textAt is the text of a scalar, "" for anything else.
func textAt(node any, path ...string) string {
	if value := at(node, path...); value != nil && !isComposite(value) {
		text, _ := scalarText(value)
		return text
	}
	return ""
}
