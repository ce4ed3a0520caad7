package event_test

import (
	"encoding/json"
	"fmt"
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
				if got := reasonOf(e, defect); got != tt.want {
					t.Errorf("%s, %s: reason %q, want %q (%+v, %+v)", tt.name, mode, got, tt.want, defect, e.DataDefect)
					continue
				}
				if tt.want == event.ReasonInvalidData {
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
	// An extension that nobody reads may be as deep as it likes, an attribute is of another JSON type then.
	for name, want := range map[string]event.Reason{"x": "", "subject": "", "topaccount": event.ReasonMalformedEvent} {
		for _, depth := range []int{9000, 20000} {
			e, defect := plain.Decode(structured(envelope(`,"` + name + `":` + nested(depth, true) + `,"data":{"a":1}`)))
			if got := reasonOf(e, defect); got != want {
				t.Errorf("%s of depth %d: %+v, %+v", name, depth, defect, e.DataDefect)
			}
		}
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
}

// However deep a text is, it is malformed_event where it is no JSON, and the message says the place of the fault.
func TestDepthIsNoExcuse(t *testing.T) {
	const lists, objects = "[", `{"a":`
	const early = -1 // the text ends too early
	tests := []struct {
		level, rest string
		at          int // in rest
	}{
		{lists, "", early}, {objects, "", early}, {lists, "[]", early}, {objects, "{}", early}, {objects, `{"a":`, early},
		{lists, `"`, early}, {lists, "1,", early}, {objects, `{"a`, early},
		{lists, "x", 0}, {lists, "}", 0}, {lists, "[,1]", 1}, {lists, "1 2", 2}, {lists, "01", 1}, {lists, "truer", 4},
		{lists, `1:2`, 1}, {lists, "[}", 1}, {lists, "\f1", 0}, {objects, "]", 0}, {objects, "{]", 1}, {objects, "{1", 1}, {objects, "{,", 1},
		{objects, `{"a" 1`, 5}, {objects, `{"a",1`, 4}, {objects, `{"a":}`, 5}, {objects, `{"a":1]`, 6},
		{objects, `1"a"`, 1}, {objects, `1,2`, 2},
	}
	for _, depth := range []int{1, 500, 600, 9990, 9999, 10000, 10001, 10002, 20000, 100000} {
		for _, tt := range tests {
			prefix := strings.Repeat(tt.level, depth)
			want := "it ends too early"
			if tt.at != early {
				want = fmt.Sprintf("wrong at byte %d", len(prefix)+tt.at)
			}
			e, defect := (&event.Decoder{}).Decode(binary(prefix + tt.rest))
			if got := reasonOf(e, defect); got != event.ReasonMalformedEvent || !strings.HasSuffix(defect.Message, want) {
				t.Errorf("%d times %s and %s: %+v, %+v, want %q", depth, tt.level, tt.rest, defect, e.DataDefect, want)
			}
		}
		// Here the place may be another one.
		for _, rest := range []string{"\"a\x01\"", `"\ud800"`, `"\x"`, "\"\xff\"", "\xff", `"\"`, "tru", "[],", `{"a":1,}`} {
			for _, end := range []string{"", strings.Repeat("]", depth)} {
				if e, defect := (&event.Decoder{}).Decode(binary(strings.Repeat("[", depth) + rest + end)); reasonOf(e, defect) != event.ReasonMalformedEvent {
					t.Errorf("%q at depth %d: %+v, %+v", rest, depth, defect, e.DataDefect)
				}
			}
		}
		for _, more := range []string{"]", "}", "{}", `"`, "x", strings.Repeat("[", 20000)} {
			if e, defect := (&event.Decoder{}).Decode(binary(nested(depth, true) + more)); reasonOf(e, defect) != event.ReasonMalformedEvent {
				t.Errorf("%.10q behind data of depth %d: %+v, %+v", more, depth, defect, e.DataDefect)
			}
		}
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
