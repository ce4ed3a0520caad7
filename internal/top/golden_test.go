package top

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/schemas"
)

type goldenExpectation struct {
	Outcome    string            `json:"outcome"`
	Method     string            `json:"method"`
	Session    bool              `json:"session"`
	Params     map[string]string `json:"params"`
	JSONParams []string          `json:"json_params"`
	XMLBody    *string           `json:"xml_body"`
}

type goldenExample struct {
	Name   string `json:"name"`
	Record struct {
		Headers map[string]string `json:"headers"`
		Value   json.RawMessage   `json:"value"`
	} `json:"record"`
	Expect    *goldenExpectation  `json:"expect"`
	ExpectAny []goldenExpectation `json:"expect_any"`
}

// event takes the record apart as far as these examples need it: the envelope has its own package.
func (e *goldenExample) event(t *testing.T) (typeName, source, id string, data map[string]any) {
	t.Helper()
	var value string
	if err := json.Unmarshal(e.Record.Value, &value); err != nil {
		t.Fatal(err)
	}
	h := e.Record.Headers
	typeName, source, id = h["ce_type"], h["ce_source"], h["ce_id"]
	if strings.HasPrefix(strings.ToLower(h["content-type"]), "application/cloudevents") {
		var envelope struct {
			Type, Source, ID string
			Data             json.RawMessage
		}
		if err := json.Unmarshal([]byte(value), &envelope); err != nil {
			t.Fatal(err)
		}
		typeName, source, id, value = envelope.Type, envelope.Source, envelope.ID, string(envelope.Data)
	}
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.UseNumber()
	if err := decoder.Decode(&data); err != nil {
		t.Fatal(err)
	}
	return typeName, source, id, data
}

// TestGoldenExamples sends each example that must be delivered to a gateway and compares what came over the wire.
func TestGoldenExamples(t *testing.T) {
	received := make(chan received, 1)
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		received <- receive(r)
		_, _ = io.WriteString(w, `{}`)
	}))
	defer gateway.Close()
	client := testClient(t, Options{Gateway: gateway.URL + "/router/rest", QimenGateway: gateway.URL + "/router/qm", TargetAppKey: "24000002"})
	types := catalogue(t)

	files, err := filepath.Glob("testdata/examples/*.json")
	if err != nil || len(files) != 6 {
		t.Fatalf("%d files of examples, %v", len(files), err)
	}
	compared := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var examples []goldenExample
		if err := json.Unmarshal(text, &examples); err != nil {
			t.Fatal(err)
		}
		for _, example := range examples {
			want := example.Expect
			if want == nil || want.Outcome != "delivered" {
				continue
			}
			compared++
			t.Run(filepath.Base(file)+"/"+example.Name, func(t *testing.T) {
				typeName, source, id, data := example.event(t)
				typ, ok := types.Type(typeName)
				if !ok {
					t.Fatalf("no type %s", typeName)
				}
				checked, violation := typ.Check(data, "reject")
				if violation != nil {
					t.Fatal(violation)
				}
				if typ.IDWrite != "" && checked.ID == "" {
					checked.Data[typ.IDWrite] = schemas.DerivedID(source, id)
				}
				payload, err := Encode(typ, checked.Data)
				if err != nil {
					t.Fatal(err)
				}
				client.Call(t.Context(), testAccount(), typ, payload)
				(<-received).compare(t, want)
			})
		}
	}
	if compared < 50 {
		t.Errorf("only %d examples were compared", compared)
	}
}

// received is a call as the gateway sees it.
type received struct {
	query, params url.Values // params: query and form together
	body          string
	contentType   string
	isForm        bool
}

func receive(r *http.Request) received {
	body, _ := io.ReadAll(r.Body)
	got := received{query: r.URL.Query(), params: r.URL.Query(), body: string(body), contentType: r.Header.Get("Content-Type")}
	if strings.HasPrefix(got.contentType, "application/x-www-form-urlencoded") {
		got.isForm = true
		form, err := url.ParseQuery(string(body))
		if err != nil {
			panic(err)
		}
		for name, values := range form {
			got.params[name] = append(got.params[name], values...)
		}
	}
	return got
}

// signed tells whether the sign is right, from what was received.
func (r received) signed(secret string) bool {
	var params []Param
	for name, values := range r.params {
		for _, value := range values {
			params = append(params, Param{name, value})
		}
	}
	var body []byte
	if !r.isForm {
		body = []byte(r.body)
	}
	return Sign(SignMethod(r.params.Get("sign_method")), secret, params, body) == r.params.Get("sign")
}

func (r received) compare(t *testing.T, want *goldenExpectation) {
	t.Helper()
	if got := r.params.Get("method"); got != want.Method {
		t.Errorf("method %s, want %s", got, want.Method)
	}
	if got := r.params.Has("session"); got != want.Session {
		t.Errorf("session sent: %t, want %t", got, want.Session)
	}
	if !r.signed(testSecret) {
		t.Error("the sign is wrong")
	}
	for name, values := range r.params {
		if len(values) != 1 || Blank(values[0]) {
			t.Errorf("parameter %s is sent as %q", name, values)
		}
		if IsSystemParam(name) {
			continue
		}
		expected, ok := want.Params[name]
		switch {
		case !ok:
			t.Errorf("parameter %s was sent and should not be", name)
		case slices.Contains(want.JSONParams, name):
			if !sameJSON(t, values[0], expected) {
				t.Errorf("parameter %s is\n%s, want\n%s", name, values[0], expected)
			}
		case values[0] != expected:
			t.Errorf("parameter %s is %q, want %q", name, values[0], expected)
		}
	}
	for name := range want.Params {
		if !r.params.Has(name) {
			t.Errorf("parameter %s was not sent", name)
		}
	}
	if (want.XMLBody != nil) == r.isForm {
		t.Fatalf("content type %s", r.contentType)
	}
	if want.XMLBody != nil && !reflect.DeepEqual(elementTree(t, r.body), elementTree(t, *want.XMLBody)) {
		t.Errorf("body\n%s, want\n%s", r.body, *want.XMLBody)
	}
}

var derivedID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// sameJSON compares as the README of the examples says; got must be compact too.
func sameJSON(t *testing.T, got, want string) bool {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(got)); err != nil {
		t.Errorf("no JSON: %v", err)
		return false
	}
	if compact.String() != got {
		t.Errorf("not compact: %s", got)
	}
	return sameValue(jsonTree(t, got), jsonTree(t, want))
}

func jsonTree(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func sameValue(got, want any) bool {
	switch w := want.(type) {
	case string:
		g, ok := got.(string)
		return ok && (g == w || w == "<derived>" && derivedID.MatchString(g))
	case json.Number:
		g, ok := got.(json.Number)
		a, aok := new(big.Rat).SetString(string(g))
		b, bok := new(big.Rat).SetString(string(w))
		return ok && aok && bok && a.Cmp(b) == 0
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name := range w {
			value, there := g[name]
			if !there || !sameValue(value, w[name]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for i := range w {
			if !sameValue(g[i], w[i]) {
				return false
			}
		}
		return true
	}
	return got == want
}

// element is an element for comparison: siblings of other names in any order, of one name in theirs.
type element struct {
	text     string
	children map[string][]element
}

func elementTree(t *testing.T, text string) map[string]element {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			return map[string]element{start.Name.Local: readElement(t, decoder)}
		}
	}
}

func readElement(t *testing.T, decoder *xml.Decoder) element {
	t.Helper()
	var e element
	for {
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if len(token.Attr) > 0 || token.Name.Space != "" {
				t.Errorf("element %v has attributes or a namespace", token.Name)
			}
			if e.children == nil {
				e.children = map[string][]element{}
			}
			e.children[token.Name.Local] = append(e.children[token.Name.Local], readElement(t, decoder))
		case xml.CharData:
			e.text += string(token)
		case xml.EndElement:
			if e.children != nil {
				e.text = ""
			}
			return e
		}
	}
}

// TestPageSampleInOrder compares the page's request sample byte for byte: siblings in the page's order.
func TestPageSampleInOrder(t *testing.T) {
	text, err := os.ReadFile("testdata/examples/top.workorder.issue.v1.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []goldenExample
	if err := json.Unmarshal(text, &examples); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(examples, func(e goldenExample) bool { return e.Name == "page-sample" })
	_, _, _, data := examples[i].event(t)
	typ := typeOf(t, "top.workorder.issue.v1")
	checked, violation := typ.Check(data, "reject")
	if violation != nil {
		t.Fatal(violation)
	}
	payload, err := Encode(typ, checked.Data)
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`>\s+<`).ReplaceAllString(*examples[i].Expect.XMLBody, "><")
	want = strings.Replace(want, `encoding="UTF-8"`, `encoding="utf-8"`, 1)
	if string(payload.Body) != want {
		t.Errorf("document\n%s\nwant\n%s", payload.Body, want)
	}
}
