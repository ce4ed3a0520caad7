package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// anchors are the named nodes of a file, for aliases and merge keys.
type anchors map[string]ast.Node

// maxAliases bounds the chain from an alias to its node: an alias may stand for an alias, or for itself.
const maxAliases = 16

// file reads the text of the configuration file.
func (l *loader) file(text []byte) {
	if !utf8.Valid(text) {
		line := strings.Count(string(text[:invalidAt(text)]), "\n") + 1
		l.problem(fmt.Sprintf("%s:%d", l.path, line), "", "the file is not UTF-8")
		return
	}
	doc, err := parse(text)
	if err != nil {
		var located yaml.Error
		if errors.As(err, &located) && located.GetToken() != nil && located.GetToken().Position != nil {
			at := located.GetToken().Position
			l.problem(fmt.Sprintf("%s:%d:%d", l.path, at.Line, at.Column), "", "not YAML: %s", located.GetMessage())
			return
		}
		l.problem(l.path, "", "not YAML: %v", err)
		return
	}
	if doc == nil {
		return
	}
	l.anchors = anchors{}
	ast.Walk(l, doc)
	l.decode(doc, keys(), l.root, "")
}

// parse reads the one document of the text; nil where it is empty.
func parse(text []byte) (doc ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // the parser is not ours, and a typing error of an operator must not end in a trace
			err = errors.New("the parser does not understand it")
		}
	}()
	f, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey()) // reported by decode, with all else
	if err != nil {
		return nil, err
	}
	for _, d := range f.Docs {
		switch {
		case d.Body == nil || d.Body.Type() == ast.DirectiveType || d.Body.Type() == ast.CommentType:
		case doc != nil:
			return nil, &yaml.SyntaxError{Message: "more than one document", Token: start(d.Body).GetToken()}
		default:
			doc = d.Body
		}
	}
	return doc, nil
}

// Visit collects the anchors.
func (l *loader) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil {
		name := a.Name.GetToken().Value
		if _, twice := l.anchors[name]; twice {
			l.problem(l.place(a), "", "the anchor %s is defined twice", quote(name))
		}
		l.anchors[name] = a.Value
	}
	return l
}

// decode reads a node as the value of a key.
func (l *loader) decode(n ast.Node, k *key, v reflect.Value, path string) {
	n = l.deref(n)
	if n == nil {
		return
	}
	place := l.place(n)
	switch k.kind {
	case kindSection:
		if k.pointer {
			if n.Type() == ast.NullType {
				return // a section whose keys are all commented out is absent
			}
			v.Set(newSection(k))
			v = v.Elem()
		}
		l.section(n, k, v, path)
	case kindMap:
		for _, p := range l.pairs(n, k, path) {
			at := join(path, p.name)
			l.cfg.sources[at] = p.place
			if err := entryName.checkText(p.name); err != nil {
				l.problem(p.place, path, "a name in this map cannot be used: %v", err)
				continue
			}
			entry := newEntry(k)
			l.section(p.value, k, entry, at)
			v.SetMapIndex(reflect.ValueOf(p.name), entry)
		}
	case kindList, kindObjects:
		l.list(n, k, v, path)
	default:
		text, err := k.scalar(n)
		if err == nil {
			err = k.set(v, text)
		}
		if err != nil {
			l.problem(place, path, "%v", err)
		}
	}
}

// section reads the keys of a struct.
func (l *loader) section(n ast.Node, k *key, v reflect.Value, path string) {
	for _, p := range l.pairs(n, k, path) {
		child := k.child(p.name)
		if child == nil {
			l.problem(p.place, join(path, p.name), "unknown key%s", didYouMean(p.name, k.names()))
			continue
		}
		at := join(path, p.name)
		l.cfg.sources[at] = p.place
		l.decode(p.value, child, v.Field(child.field), at)
	}
}

// list reads a sequence.
func (l *loader) list(n ast.Node, k *key, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		l.problem(l.place(n), path, "a list is needed here, not %s: write [a, b]", nodeName(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, len(seq.Values))
	for i, value := range seq.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		value = l.deref(value)
		if value == nil {
			continue
		}
		l.cfg.sources[at] = l.place(value)
		element := reflect.New(v.Type().Elem()).Elem()
		if k.kind == kindObjects && isMapping(value) {
			l.section(value, k, element, at)
		} else {
			l.element(value, k, element, at)
		}
		list = reflect.Append(list, element)
	}
	if err := k.checkLength(list.Len()); err != nil {
		l.problem(l.place(n), path, "%v", err)
	}
	v.Set(list)
}

// element reads a plain text in a list. Where objects could stand it is the object's name.
func (l *loader) element(n ast.Node, k *key, element reflect.Value, path string) {
	if k.kind == kindObjects {
		l.cfg.sources[join(path, k.fields[0].name)] = l.place(n)
	}
	text, err := (&key{kind: kindText, format: k.format}).scalar(n)
	if err == nil {
		err = k.setElement(element, text)
	}
	if err != nil {
		l.problem(l.place(n), path, "%v", err)
	}
}

// pair is one key of a mapping with its value.
type pair struct {
	name, place string
	value       ast.Node
}

// pairs lists the keys of a mapping, those of merged mappings last. null is an empty mapping.
func (l *loader) pairs(n ast.Node, k *key, path string) []pair {
	return l.merged(n, k, path, 0)
}

func (l *loader) merged(n ast.Node, k *key, path string, depth int) []pair {
	n = l.deref(n)
	if n == nil || n.Type() == ast.NullType {
		return nil
	}
	if depth > maxAliases {
		l.problem(l.place(n), path, "merge keys are nested too deeply")
		return nil
	}
	values, ok := mapping(n)
	if !ok {
		l.problem(l.place(n), path, "a section with keys is needed here, not %s", nodeName(n))
		return nil
	}
	var own, others []pair
	seen := map[string]string{}
	for _, mv := range values {
		if mv.Key.IsMergeKey() {
			sources := []ast.Node{mv.Value}
			if seq, ok := l.deref(mv.Value).(*ast.SequenceNode); ok {
				sources = seq.Values
			}
			for _, s := range sources {
				others = append(others, l.merged(s, k, path, depth+1)...)
			}
			continue
		}
		name, ok := keyName(mv.Key)
		place := l.place(mv.Key)
		if !ok {
			l.problem(place, path, "a name is needed as a key, not %s", nodeName(mv.Key))
			continue
		}
		if first, twice := seen[name]; twice {
			l.problem(place, join(path, name), "the key stands here twice, first at %s; remove one", first)
			continue
		}
		seen[name] = place
		own = append(own, pair{name, place, mv.Value})
	}
	for _, p := range others {
		if _, ok := seen[p.name]; !ok {
			seen[p.name] = p.place
			own = append(own, p)
		}
	}
	return own
}

// deref follows anchors and aliases to the node that holds the value. It is nil, with a problem, where that is impossible.
func (l *loader) deref(n ast.Node) ast.Node {
	for range maxAliases {
		switch x := n.(type) {
		case *ast.AnchorNode:
			n = x.Value
		case *ast.AliasNode:
			name := x.Value.GetToken().Value
			target, ok := l.anchors[name]
			if !ok {
				l.problem(l.place(x), "", "there is no anchor %s in this file", quote(name))
				return nil
			}
			n = target
		case *ast.TagNode:
			l.problem(l.place(x), "", "YAML tags are not supported; remove %s", quote(x.GetToken().Value))
			return nil
		case nil:
			return nil
		default:
			return n
		}
	}
	l.problem(l.place(n), "", "the alias stands for itself")
	return nil
}

// place says where a node stands.
func (l *loader) place(n ast.Node) string {
	if n == nil || start(n).GetToken() == nil || start(n).GetToken().Position == nil {
		return l.path
	}
	at := start(n).GetToken().Position
	return fmt.Sprintf("%s:%d:%d", l.path, at.Line, at.Column)
}
