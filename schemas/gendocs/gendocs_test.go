package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

func TestDocumentIsCurrent(t *testing.T) {
	const path = "../../docs/publishing-events.md"
	onDisk, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	renewed, err := renew(string(onDisk), blocks)
	if err != nil {
		t.Fatal(err)
	}
	if renewed != string(onDisk) {
		t.Error("docs/publishing-events.md is stale; renew it with: go generate ./schemas/gendocs")
	}
}

func TestRenew(t *testing.T) {
	const place = "<!-- begin a" + byWhom + "\nold\n<!-- end a -->"
	for _, tt := range []struct {
		name, text, want, err string
		blocks                map[string]string
	}{
		{"placed", "x\n" + place + "\ny", "x\n<!-- begin a" + byWhom + "\n\nnew\n\n<!-- end a -->\ny", "", map[string]string{"a": "new\n"}},
		{"no place", "x", "", "without a place", map[string]string{"a": ""}},
		{"two places", place + place, "", "two places", map[string]string{"a": ""}},
		{"unknown", place, "", "no block that is known", map[string]string{"b": ""}},
		{"another mark", "<!-- begin a -->\n<!-- end a -->", "", "no block that is known", map[string]string{"a": ""}},
		{"no end", "<!-- begin a" + byWhom + "\n", "", "has no line", map[string]string{"a": ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := renew(tt.text, tt.blocks)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Fatalf("the error is %v, want %q", err, tt.err)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func catalogue(t *testing.T) *schemas.Catalogue {
	t.Helper()
	known, err := schemas.Load("")
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// check checks data as a worker does.
func check(t *testing.T, typ *schemas.Type, data map[string]any) *schemas.Violation {
	t.Helper()
	decoder := event.Decoder{}
	e, defect := decoder.Decode(binaryRecord(typ.Name, marshaled(data)))
	if defect != nil || e.DataDefect != nil {
		t.Fatalf("the data cannot be read: %v %v", defect, e.DataDefect)
	}
	_, v := typ.Check(e.Data, schemas.UnknownReject)
	return v
}

// The good data that mistakes spoil is good, and the column "required" tells the truth about every field of the top.
func TestRequiredIsTrue(t *testing.T) {
	for _, typ := range catalogue(t).Types() {
		t.Run(typ.Name, func(t *testing.T) {
			if v := check(t, typ, good(typ.Name)); v != nil {
				t.Fatalf("the good data: %v", v)
			}
			rules, err := readRules(typ.Source)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range typ.Root.Fields {
				data := good(typ.Name)
				delete(data, f.Name)
				v := check(t, typ, data)
				switch when := rules.when(f.Name); {
				case f.Required && (v == nil || v.Pointer != "/"+f.Name):
					t.Errorf("%s is called required, but without it: %v", f.Name, v)
				case !f.Required && when == "" && v != nil:
					t.Errorf("%s is not called required, but without it: %v", f.Name, v)
				}
			}
			for _, r := range rules.AllOf {
				for _, data := range conditioned(typ, r) {
					if v := check(t, typ, data); v == nil || r.Then != nil && !slices.Contains(r.Then.Required, strings.TrimPrefix(v.Pointer, "/")) {
						t.Errorf("where the rule %q is broken: %v", r.Description, v)
					}
				}
			}
		})
	}
}

// conditioned is data that fulfils a rule's condition, once for each of its values, and lacks what it demands.
func conditioned(typ *schemas.Type, r rule) []map[string]any {
	if len(r.AnyOf) > 0 {
		data := good(typ.Name)
		for _, choice := range r.AnyOf {
			for _, name := range choice.Required {
				delete(data, name)
			}
		}
		return []map[string]any{data}
	}
	var all []map[string]any
	for name, p := range r.If.Properties {
		for _, value := range append(slices.Clone(p.Enum), p.Const) {
			if value == nil {
				continue
			}
			data := maps.Clone(good(typ.Name))
			data[name] = value
			for _, demanded := range r.Then.Required {
				delete(data, demanded)
			}
			all = append(all, data)
		}
	}
	return all
}

func TestUnsaidLimitIsAnError(t *testing.T) {
	for _, source := range []string{
		`{"properties": {"a": {"minLength": 1}}}`,
		`{"properties": {"a": {"items": {"maximum": 9}}}}`,
		`{"anyOf": [{"required": ["a"]}]}`,
		`{"allOf": [{"if": {"required": ["a"], "properties": {"a": {"const": 1}}}, "then": {"properties": {"b": {"const": 2}}}}]}`,
	} {
		if _, err := readRules([]byte(source)); err == nil {
			t.Errorf("%s: no error, though the document would not show the limit", source)
		}
	}
}

func TestMistakeWithAnotherReasonIsAnError(t *testing.T) {
	d := document{known: catalogue(t)}
	for _, m := range []mistake{
		{what: "good", record: spoilt(update, nil), reason: event.ReasonInvalidData},
		{what: "invalid", record: spoilt(update, map[string]string{"weight": `"1"`}), reason: event.ReasonMalformedEvent},
	} {
		if got, err := d.answer(m); err == nil {
			t.Errorf("%s: no error but %v", m.what, got)
		}
	}
}
