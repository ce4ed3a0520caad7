package schemas

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

// What is here stands for the encoders, as far as these tests need them.

func paramText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		return string(appendBool(nil, v))
	case []any:
		if !CommaJoined(v) {
			return canonicalText(v)
		}
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = paramText(v[i])
		}
		return strings.Join(texts, ",")
	default:
		return canonicalText(v)
	}
}

func canonicalText(value any) string { return string(appendCanonical(nil, value)) }

func anyMap(m map[string]string) map[string]any {
	out := map[string]any{}
	for name, value := range m {
		out[name] = value
	}
	return out
}

func decodeAny(t *testing.T, text string) any {
	t.Helper()
	value, ok := parsed(text)
	if !ok {
		t.Fatalf("no JSON: %s", text)
	}
	return value
}

// asTexts turns each leaf into its text, as elements have it.
func asTexts(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, member := range v {
			out[name] = asTexts(member)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = asTexts(v[i])
		}
		return out
	default:
		return paramText(v)
	}
}

type element struct {
	name     string
	text     string
	children []*element
}

// readElements reads an XML document with the root request into the shape of data.
func readElements(t *testing.T, root *Field, document string) any {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(document))
	stack := []*element{{}}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			child := &element{name: token.Name.Local}
			parent := stack[len(stack)-1]
			parent.children = append(parent.children, child)
			stack = append(stack, child)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			stack[len(stack)-1].text += string(token)
		}
	}
	request := stack[0].children[0]
	if request.name != "request" {
		t.Fatalf("root %s", request.name)
	}
	return shape(t, root, request)
}

func shape(t *testing.T, f *Field, e *element) any {
	t.Helper()
	switch f.Kind {
	case KindObject:
		out := map[string]any{}
		for _, child := range e.children {
			member := f.Member(child.name)
			if member == nil {
				t.Fatalf("the schema has no field %s", child.name)
			}
			out[child.name] = shape(t, member, child)
		}
		return out
	case KindList:
		out := []any{}
		for _, child := range e.children {
			if child.name != f.ItemName {
				t.Errorf("item element %s, the schema says %s", child.name, f.ItemName)
			}
			out = append(out, shape(t, f.Item, child))
		}
		return out
	default:
		return e.text
	}
}
