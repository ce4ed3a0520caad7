package event

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// Whatever the depth, a value is judged as jsontext judges one that it can read.
func FuzzSkipValue(f *testing.F) {
	for _, text := range []string{
		`{"a":[{"b":null},"\ud83d\ude00",1e400,true],"a":{}} x`, "[ \t\r\n]", `[1 ,-0.5E+7 , "\"\\\u00e9é"]`, "[01]", "[-]", "[1.]", "[1e]", "[.5]", "[+1]",
		`["\ud800"]`, "[\"\xff\"]", `{"a":1,}`, `{"a" : false }`, `{1:2}`, "[nul]", "{]", "[1,]", strings.Repeat("[", 20), `["\`, `{"`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, ok := skipValue(text)
		if n < 0 || n > len(text) {
			t.Fatalf("%d of %d bytes", n, len(text))
		}
		dec := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true))
		want, err := dec.ReadValue()
		if delimited := n == len(text) || bytes.IndexByte([]byte(" \t\r\n,:]}[{\""), text[n]) >= 0; !delimited && ok {
			return // such as 1x: jsontext looks further
		}
		if ok != (err == nil) {
			t.Fatalf("%q: %v, jsontext says %v", text, ok, err)
		}
		if end := int(dec.InputOffset()); ok && (n != end || !bytes.Equal(bytes.TrimLeft(text[:n], " \t\r\n"), want)) {
			t.Fatalf("%q: %d bytes, want %d", text, n, end)
		}
		if ok && !json.Valid(text[:n]) {
			t.Fatalf("%q is no JSON for encoding/json", text[:n])
		}
	})
}

// A text that jsontext reads as it is, is not copied.
func TestShallow(t *testing.T) {
	for name, text := range map[string]string{
		"deep": strings.Repeat("[", jsontextDepth) + strings.Repeat("]", jsontextDepth), "brackets in a string": `"` + strings.Repeat("[", 2*jsontextDepth) + `"`,
		"wide": "[" + strings.Repeat("{},", 2*jsontextDepth) + "{}]",
	} {
		if got := shallow([]byte(text)); string(got) != text {
			t.Errorf("%s: the text was changed", name)
		}
	}
	short := []byte(`{"a":[]}`)
	if got := shallow(short); &got[0] != &short[0] {
		t.Error("a short text is copied")
	}
	long := []byte(strings.Repeat("[", jsontextDepth+2) + `{"a":"]"}` + strings.Repeat("]", jsontextDepth+2))
	before := bytes.Clone(long)
	want := strings.Repeat("[", jsontextDepth) + "0" + strings.Repeat(" ", 12) + strings.Repeat("]", jsontextDepth)
	if got := shallow(long); string(got) != want || !bytes.Equal(long, before) {
		t.Errorf("got %d bytes: %.40q", len(got), got[jsontextDepth-1:])
	}
}
