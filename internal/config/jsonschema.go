package config

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// object is a JSON object that keeps the order of its members.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, part := range []any{m.name, m.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			if err := e.Encode(part); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Schema is the JSON Schema (2020-12) of the file, for editors. Load checks more than a schema can say.
func Schema() []byte {
	root := object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"title", "Configuration of TOP Relay"},
	}
	root = append(root, sectionSchema(keys().fields)...)
	text, err := indented(root)
	if err != nil {
		panic("config: schema: " + err.Error()) // cannot happen: it is made of texts and numbers
	}
	return text
}

// indented writes a value as JSON for people to read.
func indented(value any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(value)
	return out.Bytes(), err
}

func sectionSchema(fields []*key) object {
	var properties object
	var required []string
	for _, k := range fields {
		properties = append(properties, member{k.name, k.schema()})
		if k.required && k.def == "" && k.kind != kindMap {
			required = append(required, k.name)
		}
	}
	o := object{{"type", "object"}, {"properties", properties}, {"additionalProperties", false}}
	if len(required) > 0 {
		o = append(o, member{"required", required})
	}
	return o
}

func (k *key) schema() object {
	description := k.doc
	if k.refused != "" {
		description += " Refused: " + k.refused
	}
	o := object{{"description", description}}
	switch k.kind {
	case kindSection:
		section := sectionSchema(k.fields)
		section[0].value = []string{"object", "null"}
		o = append(o, section...)
	case kindMap:
		o = append(o, member{"type", []string{"object", "null"}},
			member{"additionalProperties", nullable(sectionSchema(k.fields))})
	case kindObjects:
		o = append(o, member{"type", "array"}, member{"items", object{
			{"anyOf", []any{k.fields[0].textSchema(), sectionSchema(k.fields)}},
		}})
	case kindList:
		o = append(o, member{"type", "array"}, member{"items", k.textSchema()})
	case kindText:
		o = append(o, k.textSchema()...)
	case kindBool:
		o = append(o, member{"type", "boolean"})
	case kindInt, kindFloat:
		o = append(o, member{"type", map[kind]string{kindInt: "integer", kindFloat: "number"}[k.kind]})
		least, _ := k.bounds()
		o = append(o, member{"minimum", least})
		if k.max != "" {
			o = append(o, member{"maximum", json.Number(k.max)})
		}
	case kindDuration:
		o = append(o, member{"type", []string{"string", "integer"}}, member{"maximum", 0},
			member{"pattern", `^([0-9]+(\.[0-9]*)?(ns|us|ms|s|m|h))+$|^0$`})
	case kindSize:
		o = append(o, member{"type", []string{"string", "integer"}}, member{"minimum", 0},
			member{"pattern", `^[0-9]+(B|KiB|MiB|GiB)?$`})
	}
	if k.required && (k.kind == kindList || k.kind == kindObjects) {
		o = append(o, member{"minItems", 1})
	}
	if d := k.schemaDefault(); d != nil {
		o = append(o, member{"default", d})
	}
	return o
}

// nullable lets a section stand without keys: all of them may be comments.
func nullable(section object) object {
	if len(section) == 3 { // no required keys
		section[0].value = []string{"object", "null"}
	}
	return section
}

func (k *key) textSchema() object {
	o := object{{"type", []string{"string", "number"}}} // a number is the text as it is written
	switch {
	case len(k.enum) > 0:
		o = object{{"type", "string"}, {"enum", k.enum}}
	case k.format != "topic" && formats[k.format] != nil: // no number has such a form
		o = object{{"type", "string"}}
	}
	if k.required && k.kind == kindText {
		o = append(o, member{"minLength", 1})
	}
	return o
}

func (k *key) schemaDefault() any {
	if !k.leaf() || k.inherit != "" || k.def == "" {
		return nil
	}
	v := reflect.New(k.typ).Elem()
	if k.kind == kindList || k.kind == kindObjects {
		if err := k.setList(v, k.def); err != nil {
			panic("config: default of " + k.path + ": " + err.Error())
		}
		names := make([]string, v.Len())
		for i := range names {
			if k.kind == kindObjects {
				names[i] = v.Index(i).Field(k.fields[0].field).String()
			} else {
				names[i] = v.Index(i).String()
			}
		}
		return names
	}
	switch k.kind {
	case kindBool:
		return k.def == "true"
	case kindInt, kindFloat:
		return json.Number(k.def)
	default:
		return k.def
	}
}
