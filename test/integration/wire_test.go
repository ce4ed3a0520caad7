package integration

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"regexp"
	"strings"
)

// exactJSON reads JSON with its numbers as they are.
func exactJSON(text string) (value any, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err = d.Decode(&value); err == nil && d.More() {
		err = errors.New("more than one value")
	}
	return value, err
}

func compactJSON(text string) string {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return ""
	}
	return b.String()
}

var derivedID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// derivedForEver is the id of source /wms/hangzhou-1 and id ws-p02 (contract section 3), which is among the examples.
const derivedForEver = "f18c369bef6a171b1beb244c82a0d63e"

// equal compares values of JSON: numbers by value, exactly.
func (g *golden) equal(got, want any) error {
	switch w := want.(type) {
	case map[string]any:
		m, ok := got.(map[string]any)
		if !ok || len(m) != len(w) {
			return fmt.Errorf("%v is not %v", got, want)
		}
		for name, value := range w {
			member, there := m[name]
			if !there {
				return fmt.Errorf("no member %s", name)
			}
			if err := g.equal(member, value); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	case []any:
		l, ok := got.([]any)
		if !ok || len(l) != len(w) {
			return fmt.Errorf("%v is not %v", got, want)
		}
		for i := range w {
			if err := g.equal(l[i], w[i]); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
		}
		return nil
	case json.Number:
		n, ok := got.(json.Number)
		if !ok {
			return fmt.Errorf("%v is not the number %s", got, w)
		}
		a, okA := new(big.Rat).SetString(n.String())
		b, okB := new(big.Rat).SetString(w.String())
		if !okA || !okB || a.Cmp(b) != 0 {
			return fmt.Errorf("%s is not %s", n, w)
		}
		return nil
	case string:
		if w == "<derived>" {
			return g.newDerived(got)
		}
	}
	if got != want {
		return fmt.Errorf("%v is not %v", got, want)
	}
	return nil
}

// newDerived checks an id that the worker made: 32 hex digits that no other event has.
func (g *golden) newDerived(got any) error {
	id, _ := got.(string)
	if !derivedID.MatchString(id) || g.derived[id] != "" {
		return fmt.Errorf("%v is no derived id, or that of another event", got)
	}
	g.derived[id] = id
	return nil
}

// element is an element of XML: its text if it is a leaf, else its children, those of one name in their order.
type element struct {
	Text     string
	Children map[string][]*element
}

func tree(text string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(text))
	root := &element{}
	stack := []*element{root}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		top := stack[len(stack)-1]
		switch tk := token.(type) {
		case xml.StartElement:
			if len(tk.Attr) > 0 || tk.Name.Space != "" {
				return nil, fmt.Errorf("attributes or a namespace at %s", tk.Name.Local)
			}
			child := &element{}
			if top.Children == nil {
				top.Children = map[string][]*element{}
			}
			top.Children[tk.Name.Local] = append(top.Children[tk.Name.Local], child)
			stack = append(stack, child)
		case xml.CharData:
			top.Text += string(tk)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
	root.dropBlanks()
	return root, nil
}

// dropBlanks drops the text between elements.
func (e *element) dropBlanks() {
	if len(e.Children) > 0 && strings.TrimSpace(e.Text) == "" {
		e.Text = ""
	}
	for _, list := range e.Children {
		for _, child := range list {
			child.dropBlanks()
		}
	}
}
