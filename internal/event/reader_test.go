package event_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/toprelay/worker/internal/event"
)

func TestDataIsExact(t *testing.T) {
	value := `{"i":9007199254740993,"big":123456789012345678901234567890,"f":22.0,"e":1E3,"huge":1e400,"tiny":-0.0e-999,` +
		`"s":"a\u0000\"\\\/\b\f\n\r\t\ud83d\ude00<&>","é":"e\u0301","":"","t":true,"n":null,"o":{},"l":[],` +
		`"deep":[[{"x":[1,"2",null,false]}]]}`
	want := map[string]any{
		"i": json.Number("9007199254740993"), "big": json.Number("123456789012345678901234567890"),
		"f": json.Number("22.0"), "e": json.Number("1E3"), "huge": json.Number("1e400"), "tiny": json.Number("-0.0e-999"),
		"s": "a\x00\"\\/\b\f\n\r\t😀<&>", "é": "e\u0301", "": "", "t": true, "n": nil, "o": map[string]any{}, "l": []any{},
		"deep": []any{[]any{map[string]any{"x": []any{json.Number("1"), "2", nil, false}}}},
	}
	for name, r := range map[string]*event.Record{
		"binary":     binary(value),
		"blanks":     binary(" \n" + strings.ReplaceAll(value, ",", "\t,\r\n ") + " "),
		"structured": structured(envelope(`,"data":` + value)),
	} {
		e, defect := (&event.Decoder{}).Decode(r)
		if defect != nil || e.DataDefect != nil {
			t.Fatalf("%s: %+v, %+v", name, defect, e.DataDefect)
		}
		if !reflect.DeepEqual(e.Data, want) {
			t.Errorf("%s: got  %#v\nwant %#v", name, e.Data, want)
		}
	}
}

func TestPointerOfMemberTwice(t *testing.T) {
	long := strings.Repeat("n", 600)
	tests := []struct{ data, pointer string }{
		{`{"a":1,"a":2}`, "/a"},
		{`{"a":1,"b":{},"a":2}`, "/a"},
		{`{"":1,"":2}`, "/"},
		{`{"a":{"b":[0,{"c":1,"c":2}]}}`, "/a/b/1/c"},
		{`{"a/b":{"~":1,"~":2}}`, "/a~1b/~0"},
		{`{"a":1,"\u0061":2}`, "/a"},
		{`{"x":[[{"é":1,"\u00e9":2}]]}`, "/x/0/0/é"},
		{`{"a":{"` + long + `":{"c":1,"c":2}}}`, "/a"}, // cut, but still a pointer to an object around the place
		{`{"ok":[{"a":1},{"a":1}],"last":{"z":1,"z":2}}`, "/last/z"},
	}
	// many members, so that the lookup for the second one is not a short list
	var many strings.Builder
	many.WriteString(`{"list":[{"m":0`)
	for i := range 5000 {
		many.WriteString(`,"m` + strings.Repeat("x", i%7) + strings.Repeat("y", i/7%40) + `z` + string(rune(0x4e00+i)) + `":1`)
	}
	many.WriteString(`,"m":1}]}`)
	tests = append(tests, struct{ data, pointer string }{many.String(), "/list/0/m"})

	for _, tt := range tests {
		for mode, r := range map[string]*event.Record{"binary": binary(tt.data), "structured": structured(envelope(`,"data":` + tt.data))} {
			e, defect := (&event.Decoder{}).Decode(r)
			if defect != nil || e.DataDefect == nil {
				t.Errorf("%s %.60s: %+v, %+v", mode, tt.data, defect, e.DataDefect)
				continue
			}
			if e.DataDefect.Pointer != tt.pointer || e.DataDefect.Reason != event.ReasonInvalidData {
				t.Errorf("%s %.60s: %+v, want pointer %s", mode, tt.data, e.DataDefect, tt.pointer)
			}
		}
	}
}

// nested is depth lists or objects, one in the other, data itself included.
func nested(depth int, lists bool) string {
	if lists {
		return `{"a":` + strings.Repeat(`[`, depth-1) + strings.Repeat(`]`, depth-1) + `}`
	}
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat(`}`, depth)
}

func TestDepth(t *testing.T) {
	start := time.Now()
	plain := &event.Decoder{Plain: map[string]event.Plain{"plain": {Type: "p", Source: "/p", ID: []string{"/id"}}}}
	modes := map[string]func(data string) *event.Record{
		"binary":           func(data string) *event.Record { return binary(data) },
		"structured":       func(data string) *event.Record { return structured(envelope(`,"data":` + data)) },
		"structured first": func(data string) *event.Record { return structured(`{"data":` + data + "," + envelope("")[1:]) },
		"plain": func(data string) *event.Record {
			return &event.Record{Topic: "plain", Value: []byte(`{"id":"1",` + data[1:])}
		},
	}
	tests := []struct {
		name  string
		depth int
		want  event.Reason
	}{
		{"at the bound", 512, ""},
		{"past the bound", 513, event.ReasonInvalidData},
		{"deep", 9000, event.ReasonInvalidData},
		{"as deep as jsontext goes", 9999, event.ReasonInvalidData},
		{"10000", 10000, event.ReasonInvalidData},
		{"deeper than jsontext goes", 10002, event.ReasonInvalidData},
		{"as deep as 900 KiB hold", 150000, event.ReasonInvalidData},
	}
	for _, tt := range tests {
		for mode, record := range modes {
			for _, lists := range []bool{true, false} {
				e, defect := plain.Decode(record(nested(tt.depth, lists)))
				want := tt.want
				if mode == "structured first" && tt.depth >= 10000 {
					want = event.ReasonMalformedEvent // the attributes come after what cannot be read
				}
				if got := reasonOf(e, defect); got != want {
					t.Errorf("%s, %s: reason %q, want %q (%+v, %+v)", tt.name, mode, got, want, defect, e.DataDefect)
					continue
				}
				if want == event.ReasonInvalidData {
					p := e.DataDefect.Pointer
					if !strings.HasPrefix(p, "/a/") || len(p) > 512 || event.CheckPointer(p) != nil {
						t.Errorf("%s, %s: pointer %s", tt.name, mode, p)
					}
					if e.ID != "1" || e.Type == "" || e.Source == "" {
						t.Errorf("%s, %s: %+v", tt.name, mode, e)
					}
				}
			}
		}
	}
	// What lies deeper than the bound is checked all the same, as far as it can be.
	for _, value := range []string{strings.Repeat("[", 9000), nested(600, true) + "]", strings.Repeat("[", 600) + "x", nested(600, false)[:3000] + "]"} {
		if e, defect := plain.Decode(binary(value)); reasonOf(e, defect) != event.ReasonMalformedEvent {
			t.Errorf("%.20s… of %d bytes: %+v, %+v", value, len(value), defect, e.DataDefect)
		}
	}
	if _, defect := plain.Decode(structured(envelope(`,"x":` + strings.Repeat("[", 20000)))); defect == nil || !strings.Contains(defect.Message, "10000 levels") {
		t.Errorf("deep extension: %+v", defect)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

// What the reader takes over from jsontext. A new version that differs must not go unnoticed.
func TestJSONText(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":"\ud83d\ude00"}`: true, `{"a":"\ud800"}`: false, "{\"a\":\"\xff\"}": false, "\xef\xbb\xbf{}": false, `{"a":1,"a":2}`: true,
		strings.Repeat("[", 10000) + strings.Repeat("]", 10000): true, strings.Repeat("[", 10001) + strings.Repeat("]", 10001): false,
	} {
		if got := jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true)); got != want {
			t.Errorf("jsontext takes %.20q…: %v, want %v", text, got, want)
		}
	}
}
