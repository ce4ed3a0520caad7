package main

import (
	"fmt"
	"strings"

	"github.com/toprelay/worker/schemas"
)

// overview is the table of all types.
func (d *document) overview() (string, error) {
	var b strings.Builder
	b.WriteString("| `type` | TOP API | record key | idempotent id | session | repeatable |\n|---|---|---|---|---|---|\n")
	for _, t := range d.known.Types() {
		fmt.Fprintf(&b, "| [`%s`](#%s) | `%s` | %s | %s | %s | %s |\n", t.Name, anchor(t.Name), t.Method, partsText(t.Key),
			idText(t), yesNo(t.Session), strong(yesNo(t.Repeatable)))
	}
	return b.String(), nil
}

// types is one section a type.
func (d *document) types() (string, error) {
	var b strings.Builder
	for _, t := range d.known.Types() {
		if err := d.section(&b, t); err != nil {
			return "", fmt.Errorf("%s: %w", t.Name, err)
		}
	}
	return b.String(), nil
}

func (d *document) section(b *strings.Builder, t *schemas.Type) error {
	rules, err := readRules(t.Source)
	if err != nil {
		return err
	}
	example, err := d.example(t.Name, sectionExamples[t.Name])
	if err != nil {
		return err
	}
	key, err := d.key(example)
	if err != nil {
		return err
	}
	fmt.Fprintf(b, "### %s\n\n**%s.** %s\n\n", t.Name, t.Title, t.Description)
	fmt.Fprintf(b, "| | |\n|---|---|\n")
	fmt.Fprintf(b, "| API | `%s`, %s |\n", t.Method, encodings[t.Encoding](t))
	fmt.Fprintf(b, "| topic | `%s` by default |\n", defaultTopic(t.Name))
	fmt.Fprintf(b, "| record key | %s; in the example `%s` |\n", partsText(t.Key), key)
	fmt.Fprintf(b, "| idempotent id | %s |\n", idText(t))
	fmt.Fprintf(b, "| session | %s |\n", sessions[t.Session])
	fmt.Fprintf(b, "| repeatable | %s |\n\n", repeatables[t.Repeatable])
	b.WriteString("| field | type | required | limits | description | personal data |\n|---|---|---|---|---|---|\n")
	writeFields(b, t.Root, rules, "")
	if len(t.Reply.Fields) > 0 {
		b.WriteString("\nThe result's `reply` holds:\n\n| field | type | description |\n|---|---|---|\n")
		for _, f := range t.Reply.Fields {
			kind := f.Kind.String()
			if f.List {
				kind = "list of " + kind + "s"
			}
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, kind, f.Description)
		}
	}
	fmt.Fprintf(b, "\nAn event, in structured mode; [more of them](../schemas/examples/%s), good and bad, and the "+
		"[JSON Schema](../schemas/%s.schema.json):\n\n```json\n%s\n```\n\n", t.Name, t.Name, strings.TrimSpace(string(example.Event)))
	return nil
}

// sectionExamples are the examples that are shown, by type.
var sectionExamples = map[string]string{
	"top.deliveryorder.status.v1":  "good-packed",
	"top.logisticsorder.status.v1": "good-picked-up",
	"top.serviceorder.create.v1":   "good-mounting",
	"top.workorder.issue.v1":       "good-complaint",
	"top.workorder.sync.v1":        "good-replied",
}

var encodings = map[schemas.Encoding]func(*schemas.Type) string{
	schemas.EncodingForm: func(*schemas.Type) string { return "each field of `data` is a form parameter" },
	schemas.EncodingStruct: func(t *schemas.Type) string {
		return "`data` is the content of its parameter `" + t.Param + "`: do not wrap it"
	},
	schemas.EncodingQimenXML: func(*schemas.Type) string {
		return "`data` is the content of the XML element `request`: do not wrap it"
	},
}

var sessions = map[bool]string{
	true:  "the call is signed with the session of the event's account",
	false: "the call needs none",
}

var repeatables = map[bool]string{
	true:  "yes: a call whose outcome is not known is made again, with the same idempotent id",
	false: "**no**: a call whose outcome is not known is not made again; the event becomes the dead letter `outcome_unknown`",
}

// writeFields writes one row a field, those of structs below their struct.
func writeFields(b *strings.Builder, f *schemas.Field, rules *structRules, prefix string) {
	for _, m := range f.Fields {
		name, below := prefix+m.Name, rules.below(m.Name)
		required := rules.when(m.Name)
		if m.Required {
			required = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", name, kindText(m), required, limits(m), cell(m.Description), m.PII)
		nested := m
		if m.Kind == schemas.KindList {
			nested, below, name = m.Item, below.items(), name+"[]"
		}
		if nested.Kind == schemas.KindObject {
			writeFields(b, nested, below, name+".")
		}
	}
}

func kindText(f *schemas.Field) string {
	switch f.Kind {
	case schemas.KindList:
		return "list of " + kindText(f.Item) + "s"
	case schemas.KindObject:
		return "object"
	default:
		return f.Kind.String()
	}
}

func limits(f *schemas.Field) string {
	var parts []string
	bounded := f
	if f.Kind == schemas.KindList {
		bounded = f.Item
	}
	if len(bounded.Enum) > 0 {
		parts = append(parts, "`"+strings.Join(bounded.Enum, "`, `")+"`")
	}
	if bounded.MaxLength > 0 {
		parts = append(parts, fmt.Sprintf("at most %d characters", bounded.MaxLength))
	}
	if f.MaxItems > 0 {
		parts = append(parts, fmt.Sprintf("at most %d elements", f.MaxItems))
	}
	if f.Deprecated {
		parts = append(parts, "deprecated")
	}
	return strings.Join(parts, "; ")
}

func partsText(parts []schemas.KeyPart) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		names := make([]string, len(p.Pointers))
		for j, pointer := range p.Pointers {
			names[j] = "`" + strings.TrimPrefix(pointer, "/") + "`"
		}
		texts[i] = strings.Join(names, ", else ")
	}
	text := strings.Join(texts, " + ")
	if len(parts) > 1 {
		text += " of `data`, joined with their lengths"
	}
	return text
}

func idText(t *schemas.Type) string {
	switch {
	case len(t.ID) == 0:
		return "`source` + `id` of the event"
	case t.IDWrite != "":
		return partsText(t.ID) + " of `data`; absent: derived from `source` + `id` of the event"
	default:
		return partsText(t.ID)
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// strong makes a no stand out.
func strong(word string) string {
	if word == "no" {
		return "**no**"
	}
	return word
}

// anchor is what GitHub makes of a heading that is a type's name.
func anchor(name string) string { return strings.ReplaceAll(name, ".", "") }

// cell makes a text fit for a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
