package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Example writes a commented configuration with all keys at their defaults and one account to fill in. What is optional
// stands there as a comment.
func Example() []byte {
	e := example{}
	e.comment(0, "Configuration of TOP Relay. Keys that are left out have the values that stand here.")
	e.comment(0, "Order: these defaults, this file, environment variables such as "+envPrefix+"KAFKA__BROKERS, --set flags.")
	e.comment(0, "Relative paths start at the folder of this file.")
	e.section(keys().fields, newLoader("").root, 0)
	return []byte(e.out.String())
}

type example struct {
	out strings.Builder
	off bool // what is written is an option that is not chosen: each line is a comment
}

func (e *example) section(fields []*key, v reflect.Value, depth int) {
	for _, k := range fields {
		if depth == 0 {
			e.out.WriteByte('\n')
		}
		e.comment(depth, k.doc)
		f := v.Field(k.field)
		switch {
		case k.kind == kindMap:
			e.entry(k, depth)
		case k.kind == kindSection && k.pointer:
			e.option(depth, k.name+":", func() { e.section(k.fields, newSection(k).Elem(), depth+1) })
		case k.kind == kindSection:
			e.line(depth, k.name+":")
			e.section(k.fields, f, depth+1)
		case k.kind == kindObjects:
			e.line(depth, k.name+": "+k.yaml(f))
			e.objects(k, depth)
		default:
			e.value(k, f, depth)
		}
	}
}

// entry writes a map: its one entry to fill in where the map must not be empty, else an entry as a comment.
func (e *example) entry(k *key, depth int) {
	body := func() {
		e.line(depth+1, k.example+":")
		e.section(k.fields, newEntry(k), depth+2)
	}
	if k.required {
		e.line(depth, k.name+":")
		body()
		return
	}
	if !e.off {
		e.line(depth, k.name+": {}")
	}
	e.option(depth, k.name+":", body)
}

// objects writes an element with all its keys as a comment.
func (e *example) objects(k *key, depth int) {
	var parts []string
	for _, f := range k.fields {
		parts = append(parts, f.name+": "+f.exampleYAML())
	}
	e.option(depth, fmt.Sprintf("%s: [{%s}]", k.name, strings.Join(parts, ", ")), func() {})
}

func (e *example) value(k *key, v reflect.Value, depth int) {
	text := k.yaml(v)
	switch {
	case k.example != "" && (e.off || strings.Contains(k.path, "<name>")): // what is in force are the defaults
		text = k.exampleYAML()
	case k.inherit != "":
		general, value := lookup(k.inherit)
		text = general.yaml(value)
	case e.off && v.IsZero() && len(k.enum) > 0:
		text = k.enum[0]
	}
	e.line(depth, k.name+": "+text)
}

// exampleYAML writes the example, of a section the examples of its keys.
func (k *key) exampleYAML() string {
	if k.kind == kindSection {
		var parts []string
		for _, f := range k.fields {
			parts = append(parts, f.name+": "+f.exampleYAML())
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	if k.kind == kindList {
		v := reflect.New(k.typ).Elem()
		if err := k.setList(v, k.example); err != nil {
			panic(fmt.Sprintf("config: example of %s: %v", k.path, err))
		}
		return k.yaml(v)
	}
	return scalarYAML(k.example)
}

// lookup finds a key at the general part of the table and its default.
func lookup(path string) (*key, reflect.Value) {
	k, v := keys(), newLoader("").root
	for name := range strings.SplitSeq(path, ".") {
		k = k.child(name)
		v = v.Field(k.field)
	}
	return k, v
}

func (e *example) option(depth int, head string, body func()) {
	was := e.off
	e.off = true
	e.line(depth, head)
	body()
	e.off = was
}

func (e *example) line(depth int, text string) {
	if e.off {
		e.out.WriteString("# ")
	}
	e.out.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

// comment writes text in lines of at most 110 characters.
func (e *example) comment(depth int, text string) {
	const width = 110
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word)+2*depth > width {
			e.line(depth, line)
			line = "#"
		}
		line += " " + word
	}
	if line != "#" {
		e.line(depth, line)
	}
}
