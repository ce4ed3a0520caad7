package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// file reads the text of the configuration file.
func (l *loader) file(text []byte) {
	if !utf8.Valid(text) {
		line := strings.Count(string(text[:invalidAt(text)]), "\n") + 1
		l.problem(fmt.Sprintf("%s:%d", l.path, line), "", "the file is not UTF-8")
		return
	}
	doc, err := parse(text)
	var bad *syntaxError
	switch {
	case errors.As(err, &bad):
		message := bad.message
		if bad.begin != (mark{}) {
			message += " that begins at " + l.at(bad.begin)
		}
		l.problem(l.at(bad.at), "", "%s", message)
	case doc != nil:
		l.anchors(doc, map[string]bool{})
		l.decode(doc, keys(), l.root, "")
	}
}

// anchors reports names that are given twice: an alias would stand for the last one, which a reader may not see.
func (l *loader) anchors(n *yaml.Node, seen map[string]bool) {
	if n.Anchor != "" {
		if seen[n.Anchor] {
			l.problem(l.at(mark{n.Line, n.Column}), "", "the anchor %s is defined twice", quote(n.Anchor))
		}
		seen[n.Anchor] = true
	}
	for _, below := range n.Content {
		l.anchors(below, seen)
	}
}

// decode reads a node as the value of a key.
func (l *loader) decode(n *yaml.Node, k *key, v reflect.Value, path string) {
	n = l.deref(n)
	if n == nil {
		return
	}
	place := l.place(n)
	switch k.kind {
	case kindSection:
		if k.pointer {
			if isNull(n) {
				return // a section whose keys are all commented out is absent
			}
			v.Set(newSection(k))
			v = v.Elem()
		}
		l.section(n, k, v, path)
	case kindMap:
		for _, p := range l.pairs(n, path) {
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
func (l *loader) section(n *yaml.Node, k *key, v reflect.Value, path string) {
	for _, p := range l.pairs(n, path) {
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
func (l *loader) list(n *yaml.Node, k *key, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		l.problem(l.place(n), path, "a list is needed here, not %s: write [a, b]", nodeName(n))
		return
	}
	list := reflect.MakeSlice(v.Type(), 0, len(n.Content))
	for i, value := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		value = l.deref(value)
		if value == nil {
			continue
		}
		l.cfg.sources[at] = l.place(value)
		element := reflect.New(v.Type().Elem()).Elem()
		if k.kind == kindObjects && value.Kind == yaml.MappingNode {
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
func (l *loader) element(n *yaml.Node, k *key, element reflect.Value, path string) {
	if k.kind == kindObjects {
		l.cfg.sources[join(path, k.fields[0].name)] = l.place(n)
	}
	text, err := (&key{kind: kindText}).scalar(n)
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
	value       *yaml.Node
}

// pairs lists the keys of a mapping, those of merged mappings last. null is an empty mapping.
func (l *loader) pairs(n *yaml.Node, path string) []pair {
	return l.merged(n, path, map[*yaml.Node]bool{}, 0)
}

// maxMerges bounds the chain of mappings that merge one another.
const maxMerges = 16

// merged lists the keys of a mapping that may be merged into another. Those that were met are in open: true while their own
// keys are listed, false after that, when they add nothing.
func (l *loader) merged(n *yaml.Node, path string, open map[*yaml.Node]bool, depth int) []pair {
	n = l.deref(n)
	if n == nil || isNull(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		l.problem(l.place(n), path, "a section with keys is needed here, not %s", nodeName(n))
		return nil
	}
	switch within, met := open[n]; {
	case within, depth > maxMerges:
		l.problem(l.place(n), path, "merge keys are nested too deeply")
		return nil
	case met:
		return nil
	}
	open[n] = true
	defer func() { open[n] = false }()
	var own, others []pair
	seen := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		place := l.place(name)
		switch {
		case isMergeKey(name):
			for _, s := range l.mergeSources(value) {
				others = append(others, l.merged(s, path, open, depth+1)...)
			}
		case name.Kind != yaml.ScalarNode || isNull(name):
			l.problem(place, path, "a name is needed as a key, not %s", nodeName(name))
		case l.deref(name) == nil: // has a tag
		case seen[name.Value] != "":
			l.problem(place, join(path, name.Value), "the key stands here twice, first at %s; remove one", seen[name.Value])
		default:
			seen[name.Value] = place
			own = append(own, pair{name.Value, place, value})
		}
	}
	for _, p := range others {
		if seen[p.name] == "" {
			seen[p.name] = p.place
			own = append(own, p)
		}
	}
	return own
}

// mergeSources lists what a merge key merges: one mapping, or each of a list.
func (l *loader) mergeSources(value *yaml.Node) []*yaml.Node {
	switch list := l.deref(value); {
	case list == nil:
		return nil
	case list.Kind == yaml.SequenceNode:
		return list.Content
	default:
		return []*yaml.Node{list}
	}
}

// deref follows an alias to the node that it stands for. It is nil, with a problem, where the node has a tag.
func (l *loader) deref(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Style&yaml.TaggedStyle != 0 {
		l.problem(l.at(mark{n.Line, n.Column}), "", "YAML tags are not supported; remove %s", quote(n.Tag))
		return nil
	}
	return n
}

// place says where a node stands.
func (l *loader) place(n *yaml.Node) string {
	n = start(n)
	return l.at(mark{n.Line, n.Column})
}

// at writes a place in the file.
func (l *loader) at(m mark) string {
	if m == (mark{}) {
		return l.path
	}
	return fmt.Sprintf("%s:%d:%d", l.path, m.line, m.column)
}
