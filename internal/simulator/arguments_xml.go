package simulator

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/toprelay/worker/schemas"
)

// Bounds of a Qimen document. A document type is refused, so no entity but the five of XML exists.
const (
	maxXMLDepth    = 64
	maxXMLElements = 50_000
)

// element is one XML element; comments, attributes and white space between elements are gone.
type element struct {
	name     string
	text     string
	pieces   []byte // text so far
	children []*element
}

// readQimenXML reads the body of a Qimen call. The root may be request, response, or response around request; any
// child of a list's element is an item, and repeated elements without a wrapper are items too (protocol page, 7.2).
func readQimenXML(text string, root *schemas.Field) (map[string]any, *PlatformError) {
	top, ok := parseXML(text)
	if !ok {
		return nil, invalidArgument("request")
	}
	if top.name == "response" && len(top.children) == 1 && top.children[0].name == "request" {
		top = top.children[0]
	}
	if top.name != "request" && top.name != "response" {
		return nil, invalidArgument("request")
	}
	data, bad := readElements(top, root)
	if bad != "" {
		return nil, invalidArgument(bad)
	}
	return data, nil
}

// readElements reads the children of e as the fields of f. bad is the path of a value that does not fit.
func readElements(e *element, f *schemas.Field) (data map[string]any, bad string) {
	data = make(map[string]any, len(e.children))
	for _, field := range f.Fields {
		var found []*element
		for _, child := range e.children {
			if child.name == field.Name {
				found = append(found, child)
			}
		}
		if len(found) == 0 {
			continue
		}
		if field.Kind == schemas.KindList {
			items := found
			if len(found) == 1 && !isItem(found[0], field.Item) {
				items = found[0].children
			}
			list := make([]any, len(items))
			for i, item := range items {
				value, bad := readElement(item, field.Item)
				if bad != "" {
					return nil, joinPath(field.Name+"."+strconv.Itoa(i), strings.TrimPrefix(bad, "."), field.Name+"."+strconv.Itoa(i))
				}
				list[i] = value
			}
			data[field.Name] = list
			continue
		}
		if len(found) > 1 {
			return nil, field.Name
		}
		value, bad := readElement(found[0], field)
		if bad != "" {
			return nil, joinPath(field.Name, strings.TrimPrefix(bad, "."), field.Name)
		}
		data[field.Name] = value
	}
	return data, ""
}

// isItem tells whether the only element of a list is an item by itself, and no wrapper around items.
func isItem(e *element, item *schemas.Field) bool {
	if item.Kind != schemas.KindObject {
		return len(e.children) == 0 && !isBlank(e.text)
	}
	for _, child := range e.children {
		for _, field := range item.Fields {
			if field.Name == child.name {
				return true
			}
		}
	}
	return false
}

// readElement reads one value. bad is "." where the value itself does not fit, else the path below it.
func readElement(e *element, f *schemas.Field) (value any, bad string) {
	if f.Kind == schemas.KindObject {
		if len(e.children) == 0 && !isBlank(e.text) {
			return nil, "."
		}
		object, bad := readElements(e, f)
		return object, bad
	}
	if len(e.children) > 0 || f.Kind == schemas.KindList {
		return nil, "."
	}
	value, ok := readScalar(e.text, f.Kind)
	if !ok {
		return nil, "."
	}
	return value, ""
}

// parseXML reads exactly one document.
func parseXML(text string) (*element, bool) {
	decoder := xml.NewDecoder(strings.NewReader(text))
	above := []*element{{}}
	count := 0
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, false
		}
		current := above[len(above)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if count++; count > maxXMLElements || len(above) > maxXMLDepth {
				return nil, false
			}
			child := &element{name: t.Name.Local}
			current.children = append(current.children, child)
			above = append(above, child)
		case xml.EndElement:
			if len(above) == 1 || t.Name.Local != current.name {
				return nil, false
			}
			current.text, current.pieces = string(current.pieces), nil
			above = above[:len(above)-1]
		case xml.CharData:
			if len(above) > 1 {
				current.pieces = append(current.pieces, t...)
			} else if !isBlank(strings.TrimPrefix(string(t), "\ufeff")) {
				return nil, false
			}
		case xml.Directive:
			return nil, false
		}
	}
	document := above[0]
	if len(above) != 1 || len(document.children) != 1 {
		return nil, false
	}
	return document.children[0], true
}
