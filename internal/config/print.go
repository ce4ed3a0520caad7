package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// YAML writes the configuration that is in force, with the place of every value that is not the default. Load reads the
// same configuration from it. Secrets are not in a Config, only the names of their files.
func (c *Config) YAML() []byte {
	p := printer{cfg: c}
	p.section(keys().fields, reflect.ValueOf(c).Elem(), "", 0, false)
	return p.out.Bytes()
}

// JSON writes what YAML writes, without the places.
func (c *Config) JSON() ([]byte, error) {
	doc, err := parse(c.YAML())
	if err != nil {
		return nil, fmt.Errorf("writing the configuration as JSON: %w", err)
	}
	text, err := indented(jsonValue(doc))
	if err != nil {
		return nil, fmt.Errorf("writing the configuration as JSON: %w", err)
	}
	return text, nil
}

// jsonValue is a node without aliases as a value of encoding/json.
func jsonValue(n *yaml.Node) any {
	switch typeOf(n) {
	case typeSection:
		o := object{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			o = append(o, member{n.Content[i].Value, jsonValue(n.Content[i+1])})
		}
		return o
	case typeList:
		list := []any{}
		for _, value := range n.Content {
			list = append(list, jsonValue(value))
		}
		return list
	case typeBool:
		return strings.EqualFold(n.Value, "true")
	case typeInt, typeFloat:
		return json.Number(n.Value)
	case typeNull:
		return nil
	default:
		return n.Value
	}
}

type printer struct {
	cfg *Config
	out bytes.Buffer
}

// section writes the keys of a struct; with onlySet those that were set, so that the others go on to inherit.
func (p *printer) section(fields []*key, v reflect.Value, path string, depth int, onlySet bool) {
	for _, k := range fields {
		at, f := join(path, k.name), v.Field(k.field)
		source := p.cfg.sources[at]
		switch k.kind {
		case kindSection:
			if k.pointer {
				if f.IsNil() {
					continue
				}
				f = f.Elem()
			}
			if onlySet && !p.anySet(at) {
				continue
			}
			p.line(depth, "%s:", k.name)
			p.section(k.fields, f, at, depth+1, onlySet)
		case kindMap:
			if f.Len() == 0 {
				p.line(depth, "%s: {}", k.name)
				continue
			}
			p.line(depth, "%s:", k.name)
			for _, name := range sortedKeys(f) {
				entry := join(at, name.String())
				if !p.anySet(entry) {
					p.line(depth+1, "%s: {}", scalarYAML(name.String()))
					continue
				}
				p.line(depth+1, "%s:", scalarYAML(name.String()))
				p.section(k.fields, f.MapIndex(name), entry, depth+2, true)
			}
		default:
			if onlySet && source == "" {
				continue
			}
			comment := ""
			if source != "" {
				comment = "  # " + printable(source)
			}
			p.line(depth, "%s: %s%s", k.name, k.yaml(f), comment)
		}
	}
}

// anySet says whether a key below path was set.
func (p *printer) anySet(path string) bool {
	for at := range p.cfg.sources {
		if strings.HasPrefix(at, path+".") {
			return true
		}
	}
	return false
}

func (p *printer) line(depth int, format string, args ...any) {
	p.out.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(&p.out, format, args...)
	p.out.WriteByte('\n')
}

// printable makes one line of a text that is shown in a comment: the name of a file may hold anything.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return utf8.RuneError
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// yaml writes a value on one line.
func (k *key) yaml(v reflect.Value) string {
	switch k.kind {
	case kindText:
		return scalarYAML(v.String())
	case kindList:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = scalarYAML(v.Index(i).String())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindObjects:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = k.objectYAML(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindSection:
		return fieldsYAML(k.fields, v.Elem())
	default:
		return k.text(v)
	}
}

// objectYAML writes an object as its name where there is nothing else to it.
func (k *key) objectYAML(v reflect.Value) string {
	for _, f := range k.fields[1:] {
		if !v.Field(f.field).IsZero() {
			return fieldsYAML(k.fields, v)
		}
	}
	return k.fields[0].yaml(v.Field(k.fields[0].field))
}

func fieldsYAML(fields []*key, v reflect.Value) string {
	var parts []string
	for _, f := range fields {
		if !v.Field(f.field).IsZero() {
			parts = append(parts, f.name+": "+f.yaml(v.Field(f.field)))
		}
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// plainScalar is what is surely read as a text without quotes.
var (
	plainScalar = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)
	notText     = regexp.MustCompile(`(?i)^(true|false|null|yes|no|on|off|y|n|nan|inf)$`)
)

// scalarYAML writes a text, in quotes where it could be read as something else.
func scalarYAML(s string) string {
	if plainScalar.MatchString(s) && !notText.MatchString(s) {
		return s
	}
	return strconv.Quote(s) // YAML knows all of Go's escapes
}
