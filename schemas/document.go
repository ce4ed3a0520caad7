package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// node is one value of a schema file with the place where it stands. Members keep the order of the file, which is the
// order of the API page.
type node struct {
	line    int
	at      string // JSON Pointer into the file
	value   any    // string, json.Number, bool or nil of a leaf
	isObj   bool
	isList  bool
	members []member
	items   []*node
}

type member struct {
	name string
	node *node
}

// placeError is a defect of a schema file and its place.
type placeError struct {
	line int
	at   string
	text string
}

func (e *placeError) Error() string {
	at := e.at
	if at == "" {
		at = "the root"
	}
	return fmt.Sprintf("line %d, %s: %s", e.line, at, e.text)
}

// errorf makes an error that names the place of n.
func (n *node) errorf(format string, args ...any) error {
	return &placeError{line: n.line, at: n.at, text: fmt.Sprintf(format, args...)}
}

// get returns the named member of an object, or nil.
func (n *node) get(name string) *node {
	for i := range n.members {
		if n.members[i].name == name {
			return n.members[i].node
		}
	}
	return nil
}

// plain returns the value as maps, lists and leaves.
func (n *node) plain() any {
	switch {
	case n.isObj:
		obj := make(map[string]any, len(n.members))
		for _, m := range n.members {
			obj[m.name] = m.node.plain()
		}
		return obj
	case n.isList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.plain()
		}
		return list
	default:
		return n.value
	}
}

func (n *node) text() (string, error) {
	s, ok := n.value.(string)
	if !ok || s == "" {
		return "", n.errorf("a text that is not empty is expected")
	}
	return s, nil
}

func (n *node) boolean() (bool, error) {
	b, ok := n.value.(bool)
	if !ok {
		return false, n.errorf("true or false is expected")
	}
	return b, nil
}

func (n *node) texts() ([]string, error) {
	if !n.isList {
		return nil, n.errorf("a list of texts is expected")
	}
	list := make([]string, len(n.items))
	for i, item := range n.items {
		s, err := item.text()
		if err != nil {
			return nil, err
		}
		list[i] = s
	}
	return list, nil
}

func (n *node) object() error {
	if !n.isObj {
		return n.errorf("an object is expected")
	}
	return nil
}

// parseDocument reads a schema file. It refuses a member that is named twice and text after the value.
func parseDocument(source []byte) (*node, error) {
	p := &documentParser{source: source, dec: json.NewDecoder(bytes.NewReader(source))}
	p.dec.UseNumber()
	root, err := p.value("")
	if err != nil {
		return nil, p.located(err)
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("line %d: text after the schema", p.line())
	}
	return root, root.object()
}

type documentParser struct {
	source []byte
	dec    *json.Decoder
}

func (p *documentParser) line() int {
	return 1 + bytes.Count(p.source[:p.dec.InputOffset()], []byte("\n"))
}

// located adds the line to an error of the JSON decoder: that of the first token that was not read. The decoder's own
// offset counts from another place each time.
func (p *documentParser) located(err error) error {
	var placed *placeError
	if errors.As(err, &placed) {
		return err
	}
	rest := p.source[p.dec.InputOffset():]
	skipped := len(rest) - len(bytes.TrimLeft(rest, " \t\r\n,:"))
	return fmt.Errorf("line %d: %w", p.line()+bytes.Count(rest[:skipped], []byte("\n")), err)
}

func (p *documentParser) value(at string) (*node, error) {
	token, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{line: p.line(), at: at}
	switch token {
	case json.Delim('{'):
		n.isObj = true
		for p.dec.More() {
			token, err := p.dec.Token()
			if err != nil {
				return nil, err
			}
			name := token.(string) // the decoder lets nothing else stand here
			if n.get(name) != nil {
				return nil, (&node{line: p.line(), at: at}).errorf("member %q is named twice", name)
			}
			child, err := p.value(at + "/" + escapePointer(name))
			if err != nil {
				return nil, err
			}
			n.members = append(n.members, member{name, child})
		}
		_, err = p.dec.Token()
		return n, err
	case json.Delim('['):
		n.isList = true
		for p.dec.More() {
			child, err := p.value(fmt.Sprintf("%s/%d", at, len(n.items)))
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, child)
		}
		_, err = p.dec.Token()
		return n, err
	default:
		n.value = token
		return n, nil
	}
}

var pointerEscapes = strings.NewReplacer("~", "~0", "/", "~1")

// escapePointer escapes a member name for a JSON Pointer (RFC 6901).
func escapePointer(name string) string {
	if !strings.ContainsAny(name, "~/") {
		return name
	}
	return pointerEscapes.Replace(name)
}

var pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")

// splitPointer returns the names of a JSON Pointer. ok is false where it is none, or the pointer to the whole.
func splitPointer(pointer string) (names []string, ok bool) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, false
	}
	names = strings.Split(pointer[1:], "/")
	for i, name := range names {
		if strings.Contains(name, "~") {
			names[i] = pointerUnescapes.Replace(name)
		}
		if name == "" {
			return nil, false
		}
	}
	return names, true
}
