package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
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
	compact, err := yaml.YAMLToJSON(c.YAML())
	if err != nil {
		return nil, fmt.Errorf("writing the configuration as JSON: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.TrimSpace(compact), "", "  "); err != nil {
		return nil, fmt.Errorf("writing the configuration as JSON: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
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
				comment = "  # " + strings.Join(strings.Fields(source), " ")
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
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("config: a text that is no JSON: " + err.Error()) // cannot happen
	}
	return strings.TrimSuffix(b.String(), "\n")
}
