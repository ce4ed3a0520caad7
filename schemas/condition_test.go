package schemas

import (
	"strings"
	"testing"
)

// Only rules of just the one form are taken from the library: any other would mean something else to the walk.
func TestReadCondition(t *testing.T) {
	const plain = `{"description":"words","if":{"required":["status_code"],"properties":{"status_code":{"const":"signed"}}},"then":{"required":["sign_time","cost"]}}`
	tests := []struct {
		name, old, new string
		ok             bool
	}{
		{"the form", "", "", true},
		{"several values", `"const":"signed"`, `"enum":["signed","cancel"]`, true},
		{"without words", `"description":"words",`, ``, true},
		{"else", `"then":`, `"else":{"required":["cost"]},"then":`, false},
		{"another keyword beside if", `"then":`, `"required":["cost"],"then":`, false},
		{"no then", `"then":{"required":["sign_time","cost"]}`, `"else":true`, false},
		{"more than required in then", `"then":{`, `"then":{"minProperties":3,`, false},
		{"properties in then", `"then":{"required":["sign_time","cost"]}`, `"then":{"properties":{"cost":{"const":1}}}`, false},
		{"holds where the field is absent", `"required":["status_code"],`, ``, false},
		{"requires another field", `"required":["status_code"]`, `"required":["cost"]`, false},
		{"requires two fields", `"required":["status_code"]`, `"required":["status_code","cost"]`, false},
		{"two properties", `"properties":{`, `"properties":{"cost":{"const":1},`, false},
		{"more than a value", `"const":"signed"`, `"const":"signed","minLength":2`, false},
		{"another keyword than a value", `"const":"signed"`, `"pattern":"^s"`, false},
		{"a value that is no text", `"const":"signed"`, `"const":1`, false},
		{"no values", `"const":"signed"`, `"enum":[]`, false},
		{"a number", `"status_code"`, `"cost"`, false},
		{"another keyword in if", `"if":{`, `"if":{"minProperties":1,`, false},
	}
	root := typeOf(t, logistics).Root
	for _, tt := range tests {
		n := -1
		if tt.name != "a number" && tt.old != "" {
			n = 1
		}
		text := strings.Replace(plain, tt.old, tt.new, n)
		if tt.old == "" {
			text = plain
		}
		rule, err := parseDocument([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		c, ok := readCondition(root, rule)
		if ok != tt.ok {
			t.Errorf("%s: read = %v, want %v", tt.name, ok, tt.ok)
		}
		if ok && (c.field != "status_code" || c.values[0] != "signed" || len(c.required) != 2) {
			t.Errorf("%s: %+v", tt.name, c)
		}
	}
}

// The library and the walk say the same of the same rules: each example, with all rules left to the library.
func TestConditionsAsTheLibraryReadsThem(t *testing.T) {
	examples, err := Examples()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		typ := typeOf(t, e.Type)
		plain := *typ
		var ok bool
		whole, ok := typ.doc.plain().(map[string]any)
		if !ok {
			t.Fatal("the schema is no object")
		}
		if plain.rules, err = compile(whole); err != nil {
			t.Fatal(err)
		}
		plain.Root = withoutConditions(typ.Root)
		data, is := decode(t, string(e.Event))["data"].(map[string]any)
		if !is {
			continue
		}
		_, want := plain.Check(data, UnknownReject)
		_, got := typ.Check(data, UnknownReject)
		if (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s/%s: %v, the library alone: %v", e.Type, e.Name, got, want)
		}
	}
}

func withoutConditions(f *Field) *Field {
	bare := *f
	bare.conditions = nil
	if f.Item != nil {
		bare.Item = withoutConditions(f.Item)
	}
	bare.Fields, bare.sorted, bare.byName = nil, nil, map[string]*Field{}
	for _, child := range f.sorted {
		child = withoutConditions(child)
		bare.sorted = append(bare.sorted, child)
		bare.byName[child.Name] = child
	}
	return &bare
}
