package schemas

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// golden is one of the examples in testdata/golden, which say what must be on the wire or in the dead letters.
type golden struct {
	Name   string
	Record struct {
		Headers map[string]string
		Value   json.RawMessage
	}
	Expect    expectation
	ExpectAny []expectation `json:"expect_any"`
}

type expectation struct {
	Outcome    string
	Reason     string
	Pointer    string
	Method     string
	Session    bool
	Params     map[string]string
	JSONParams []string `json:"json_params"`
	XMLBody    string   `json:"xml_body"`
}

// load returns the embedded catalogue.
func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func typeOf(t testing.TB, name string) *Type {
	t.Helper()
	typ, ok := load(t).Type(name)
	if !ok {
		t.Fatalf("no type %s", name)
	}
	return typ
}

// decode reads a JSON object as the decoder of events does.
func decode(t testing.TB, text string) map[string]any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var data map[string]any
	if err := dec.Decode(&data); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return data
}

// dataOf returns type and data of an example, ok = false where the envelope is what is wrong.
func dataOf(t *testing.T, g golden) (name string, data map[string]any, ok bool) {
	t.Helper()
	var text string
	if json.Unmarshal(g.Record.Value, &text) != nil || text == "" {
		return "", nil, false
	}
	if !strings.HasPrefix(strings.ToLower(g.Record.Headers["content-type"]), "application/cloudevents") {
		return g.Record.Headers["ce_type"], decode(t, text), true
	}
	envelope := decode(t, text)
	name, _ = envelope["type"].(string)
	data, ok = envelope["data"].(map[string]any)
	return name, data, ok
}

// TestGolden checks what this level decides: invalid data with its pointer, and what is sent of valid data.
func TestGolden(t *testing.T) {
	c := load(t)
	files, err := filepath.Glob("testdata/golden/top.*.json")
	if err != nil || len(files) != 5 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var examples []golden
		if err := json.Unmarshal(text, &examples); err != nil {
			t.Fatal(err)
		}
		for _, g := range examples {
			t.Run(filepath.Base(file)+"/"+g.Name, func(t *testing.T) {
				name, data, ok := dataOf(t, g)
				typ, known := c.Type(name)
				if !ok || !known {
					t.Fatalf("type %q, data %v", name, data)
				}
				checked, v := typ.Check(data, UnknownReject)
				if g.Expect.Reason == "invalid_data" {
					if v == nil {
						t.Fatal("accepted")
					}
					if g.Expect.Pointer != "" && v.Pointer != g.Expect.Pointer {
						t.Errorf("pointer %q, want %q (%s)", v.Pointer, g.Expect.Pointer, v.Message)
					}
					return
				}
				if v != nil {
					t.Fatalf("refused: %v", v)
				}
				if g.Expect.Outcome == "delivered" {
					wantCall(t, typ, g.Expect, checked.Data)
				}
			})
		}
	}
}

// wantCall compares what is sent with the parameters of the expected call. How it is encoded is tested elsewhere.
func wantCall(t *testing.T, typ *Type, want expectation, data map[string]any) {
	t.Helper()
	if typ.Method != want.Method || typ.Session != want.Session {
		t.Errorf("method %s, session %v, want %s, %v", typ.Method, typ.Session, want.Method, want.Session)
	}
	switch typ.Encoding {
	case EncodingForm:
		got := map[string]string{}
		for name, value := range data {
			got[name] = paramText(value)
		}
		for _, name := range want.JSONParams {
			got[name] = canonicalText(decodeAny(t, got[name]))
			want.Params[name] = canonicalText(decodeAny(t, want.Params[name]))
		}
		if a, b := canonicalText(anyMap(got)), canonicalText(anyMap(want.Params)); a != b {
			t.Errorf("sent\n%s\nwant\n%s", a, b)
		}
	case EncodingStruct:
		expected := decode(t, want.Params[typ.Param])
		if expected[typ.IDWrite] == "<derived>" {
			delete(expected, typ.IDWrite)
		}
		if a, b := canonicalText(data), canonicalText(expected); a != b {
			t.Errorf("sent\n%s\nwant\n%s", a, b)
		}
	case EncodingQimenXML:
		if a, b := canonicalText(asTexts(data)), canonicalText(readElements(t, typ.Root, want.XMLBody)); a != b {
			t.Errorf("sent\n%s\nwant\n%s", a, b)
		}
	}
}
