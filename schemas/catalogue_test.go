package schemas

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestCatalogue(t *testing.T) {
	c := load(t)
	want := map[string]struct {
		method             string
		session, repeat    bool
		encoding           Encoding
		param, superseded  string
		transient          []string
		success, code, msg string
	}{
		logistics: {"tmall.servicecenter.workcard.logisticsorder.update", true, true, EncodingForm, "", "skip", nil,
			"result/success", "result/msg_code", "result/display_msg"},
		delivery: {"tmall.ovs.delivery.order.info.send", false, true, EncodingStruct, "param", "skip", []string{"1100"},
			"result/success", "result/fail_code", "result/fail_message"},
		sync1: {"taobao.logistics.provider.work.order.sync", false, true, EncodingStruct, "work_order_sync_request", "skip",
			[]string{"SYSTEM_ERROR", "SYSTEM_EXCEPTION"},
			"work_order_sync_response/success", "work_order_sync_response/error_code", "work_order_sync_response/error_msg"},
		issue: {"qimen.taobao.logistics.work.order.issue", false, true, EncodingQimenXML, "", "send", nil,
			"success", "biz_error_code", "biz_error_msg"},
		create: {"tmall.servicecenter.spserviceorder.create", true, false, EncodingForm, "", "send", nil,
			"is_success", "", "display_msg"},
	}
	var names []string
	for _, typ := range c.Types() {
		names = append(names, typ.Name)
		w, ok := want[typ.Name]
		if !ok {
			t.Errorf("%s is not expected", typ.Name)
			continue
		}
		path := func(names []string) string { return strings.Join(names, "/") }
		if typ.Method != w.method || typ.Session != w.session || typ.Repeatable != w.repeat || typ.Encoding != w.encoding ||
			typ.Param != w.param || typ.Superseded != w.superseded || !slices.Equal(typ.TransientCodes, w.transient) ||
			len(typ.DuplicateCodes) != 0 || path(typ.Reply.Success) != w.success || path(typ.Reply.Code) != w.code ||
			path(typ.Reply.Message) != w.msg {
			t.Errorf("%s: %+v", typ.Name, typ)
		}
		if typ.Title == "" || typ.Description == "" || len(typ.Source) == 0 {
			t.Errorf("%s has no title, description or source", typ.Name)
		}
		if byMethod, ok := c.ByMethod(w.method); !ok || byMethod != typ {
			t.Errorf("ByMethod(%s)", w.method)
		}
	}
	if len(names) != 5 || !slices.IsSorted(names) {
		t.Errorf("types %v", names)
	}
	if _, ok := c.Type("top.workorder.issued.v1"); ok {
		t.Error("what the receiver publishes must never be sent back")
	}
	if fields := typeOf(t, create).Reply.Fields; len(fields) != 2 || fields[0].Name != "service_order_id" || fields[0].List ||
		fields[1].Name != "workcard_ids" || !fields[1].List || fields[1].Kind != KindNumber {
		t.Errorf("fields of the reply %+v", fields)
	}
	if rules := typeOf(t, logistics).Root.Rules; len(rules) != 4 {
		t.Errorf("rules %q", rules)
	}
}

// overlay writes files into a folder and returns it.
func overlay(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func sixth(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("testdata/sixth.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSixthAPI: another plain TOP API is one file and no Go code, at run time too.
func TestSixthAPI(t *testing.T) {
	c, err := Load(overlay(t, map[string]string{"top.return.inspect.v1.schema.json": sixth(t), "README.md": "not a schema"}))
	if err != nil {
		t.Fatal(err)
	}
	typ, ok := c.Type("top.return.inspect.v1")
	if !ok || len(c.Types()) != 6 {
		t.Fatalf("types %v", c.Types())
	}
	if byMethod, _ := c.ByMethod("tmall.madeup.return.inspect"); byMethod != typ {
		t.Error("it is not found by its method")
	}
	if !reflect.DeepEqual(typ.Reply.Code, []string{"outcome", "err/code"}) || typ.Reply.Fields[0].PII != "name" ||
		!slices.Equal(typ.DuplicateCodes, []string{"DUPLICATE_CHECK"}) || typ.IDWrite != "check_id" {
		t.Errorf("%+v", typ)
	}
	tests := []struct{ data, sent, key, id, pointer string }{
		{data: `{"return_id":7.0,"kind":"full","lot":"L1","days":["2026-03-01T00:00:00Z","2026-03-02 00:00:00"],"notes":"[1]"}`,
			sent: `{"days":["2026-03-01 08:00:00","2026-03-02 00:00:00"],"kind":"full","lot":"L1","notes":"[1]","return_id":7}`, key: "1:72:L1"},
		{data: `{"return_id":"7","kind":"sample","percent":50,"shelf":{"code":"S","keeper":{"first":"a"}},"check_id":"c"}`,
			sent: `{"check_id":"c","kind":"sample","percent":50,"return_id":"7","shelf":{"code":"S","keeper":{"first":"a"}}}`, key: "1:71:S", id: "c"},
		{data: `{"return_id":7,"kind":"sample","lot":"L1"}`, pointer: "/percent"},
		{data: `{"return_id":7,"kind":"full","lot":"X"}`, pointer: "/lot"},
		{data: `{"return_id":7,"kind":"full","lot":"L12345678"}`, pointer: "/lot"},
		{data: `{"return_id":7,"kind":"full","lot":"L1","percent":101}`, pointer: "/percent"},
		{data: `{"return_id":7,"kind":"full","lot":"L1","days":["2026-03-02 00:00:00"]}`, pointer: "/days"},
		{data: `{"return_id":7,"kind":"full","lot":"L1","shelf":{"keeper":{}}}`, pointer: "/shelf/code"},
		{data: `{"return_id":7,"kind":"full"}`},
	}
	for _, tt := range tests {
		checked, v := typ.Check(decode(t, tt.data), UnknownReject)
		if tt.sent == "" {
			if v == nil || v.Pointer != tt.pointer {
				t.Errorf("%s: %v, want it refused at %q", tt.data, v, tt.pointer)
			}
			continue
		}
		if v != nil || canonicalText(checked.Data) != tt.sent || checked.Key != tt.key || checked.ID != tt.id {
			t.Errorf("%s: %+v, %v", tt.data, checked, v)
		}
	}
	sensitive := typ.Sensitive(decode(t, `{"shelf":{"keeper":{"first":"赵小六","phone":"13000000000"}},"lot":"L1"}`))
	slices.Sort(sensitive)
	if !slices.Equal(sensitive, []string{"13000000000", "赵小六"}) {
		t.Errorf("sensitive %q", sensitive)
	}
}

// TestOverlayReplaces: a file of the name of an embedded one takes its place.
func TestOverlayReplaces(t *testing.T) {
	text := string(typeOf(t, delivery).Source)
	text = strings.Replace(text, `"transient_codes": ["1100"]`, `"transient_codes": ["1100", "1101"]`, 1)
	c, err := Load(overlay(t, map[string]string{delivery + fileSuffix: text}))
	if err != nil {
		t.Fatal(err)
	}
	typ, _ := c.Type(delivery)
	if len(c.Types()) != 5 || !slices.Equal(typ.TransientCodes, []string{"1100", "1101"}) {
		t.Errorf("%d types, transient codes %v", len(c.Types()), typ.TransientCodes)
	}
}

// TestBadSchema: each defect is an error that names the file and the place.
func TestBadSchema(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"no JSON", `"title"`, `title`, "line 3: invalid character"},
		{"cut off", `"$defs": {`, `"$defs": {"`, "line 50: invalid character"},
		{"text after it", "    }\n  }\n}\n", "    }\n  }\n}\n{}", "text after the schema"},
		{"a member twice", `"title"`, `"title":"x","title"`, `line 3, the root: member "title" is named twice`},
		{"a list", "", "", "line 1, the root: an object is expected"},
		{"no draft", `"$schema"`, `"$comment"`, `the root: "$schema" must be`},
		{"an older draft", `2020-12/schema`, `2019-09/schema`, `"$schema" must be`},
		{"no x-top", `"x-top"`, `"$comment"`, `"x-top" is missing`},
		{"unknown member of x-top", `"repeatable": true,`, `"repeatable": true, "retry": 3,`, `/x-top/retry: "retry" is not known in x-top`},
		{"no method", `"method": "tmall.madeup.return.inspect",`, ``, `/x-top: "method" is missing`},
		{"method is empty", `tmall.madeup.return.inspect`, ``, `/x-top/method: a text`},
		{"method of another type", `tmall.madeup.return.inspect`, `tmall.ovs.delivery.order.info.send`, "both call the method"},
		{"unknown encoding", `"encoding": "form"`, `"encoding": "json"`, "/x-top/encoding: encodings are"},
		{"session is text", `"session": true`, `"session": "yes"`, "/x-top/session: true or false"},
		{"param of a form", `"encoding": "form"`, `"encoding": "form", "param": "p"`, "/x-top/param: only encoding struct"},
		{"struct without param", `"encoding": "form"`, `"encoding": "struct"`, `encoding struct needs "param"`},
		{"param is a system parameter", `"encoding": "form"`, `"encoding": "struct", "param": "session"`, "is a system parameter"},
		{"field is a system parameter", `"lot": { "type"`, `"sign": { "type": "string" }, "lot": { "type"`, "name of a system parameter"},
		{"Json in XML", `"encoding": "form"`, `"encoding": "qimen_xml"`, "has the type Json"},
		{"key leads nowhere", `"/return_id"`, `"/order_id"`, `/x-top/key/0: "/order_id" leads to no field`},
		{"key is no pointer", `"/return_id"`, `"return_id"`, `/x-top/key/0: "return_id" is no JSON Pointer`},
		{"key is a struct", `"/shelf/code"`, `"/shelf"`, `/x-top/key/1/0: "/shelf" leads to a struct`},
		{"key through a list", `"/shelf/code"`, `"/days/0"`, `leads to no field`},
		{"key is empty", `["/return_id", ["/shelf/code", "/lot"]]`, `[]`, `/x-top/key: a list of pointers`},
		{"id without a field that is always there", `"id_write": "/check_id",`, ``, "each part of id must be one required field"},
		{"id_write is another field", `"id_write": "/check_id"`, `"id_write": "/lot"`, "/x-top/id_write: a derived id"},
		{"id_write at depth", `"id_write": "/check_id"`, `"id_write": "/shelf/code"`, "at the top of data"},
		{"id_write is required", `["return_id", "kind"]`, `["return_id", "kind", "check_id"]`, "must not be required"},
		{"superseded", `"superseded": "send"`, `"superseded": "maybe"`, "/x-top/superseded: superseded is skip or send"},
		{"no success", `"success": "/outcome/ok",`, ``, `/x-top/reply: "success" is missing`},
		{"unknown member of reply", `"success":`, `"fail": "/x", "success":`, `/x-top/reply/fail: "fail" is not known`},
		{"path of the reply", `"/outcome/ok"`, `"outcome"`, `/x-top/reply/success: "outcome" is no JSON Pointer`},
		{"type of a reply's field", `"type": "boolean" }`, `"type": "number" }`, `/x-top/reply/fields/1/type`},
		{"member of a reply's field", `"type": "boolean" }`, `"type": "boolean", "pii": 1 }`, `/x-top/reply/fields/1/pii`},
		{"codes", `["BUSY"]`, `[1100]`, `/x-top/transient_codes/0: a text`},
		{"no type", `{ "type": ["integer", "string"], "description"`, `{ "description"`, `/properties/return_id: "type" is missing`},
		{"decimal numbers", `"type": "integer", "minimum"`, `"type": "number", "minimum"`, `/properties/percent/type: this type is not supported`},
		{"null type", `["integer", "string"]`, `["string", "null"]`, `/properties/return_id/type: this type is not supported`},
		{"unknown format", `"top-date-time"`, `"date"`, `/$defs/day/format: the only format`},
		{"Json without its mark", `"contentMediaType": "application/json", `, ``, `/properties/notes/type: the type Json needs`},
		{"misspelt keyword", `"maxLength"`, `"maxlength"`, `line 32, /properties/lot/maxlength: the keyword "maxlength" is not known for a String`},
		{"keyword of another type", `"minimum": 0`, `"maxLength": 0`, `/properties/percent/maxLength`},
		{"value of a keyword", `"maxLength": 8`, `"maxLength": "8"`, `/properties/lot/maxLength: a number`},
		{"value of a keyword that the library checks", `"minimum": 0`, `"minimum": "0"`, `minimum`},
		{"bad pattern", `"^L"`, `"^(L"`, `pattern`},
		{"open object", "\"additionalProperties\": false,\n      \"description\": \"Shelf.\"", `"description": "Shelf."`, `/properties/shelf: "additionalProperties": false is missing`},
		{"required without a field", `["return_id", "kind"]`, `["return_id", "sort"]`, `/required/1: the field "sort" does not exist`},
		{"rule without a field", `"then": { "required": ["percent"]`, `"then": { "required": ["percents"]`, `/then/required/0: the field "percents" does not exist`},
		{"rule about no field", `"properties": { "kind": { "const"`, `"properties": { "sort": { "const"`, `/if/properties/sort: the rule speaks of`},
		{"misspelt keyword of a rule", `"then": { "required"`, `"then": { "requires"`, `/then/requires: the keyword "requires" is not known in a rule`},
		{"rule about what depends", `{ "keeper": ["code"] }`, `{ "keeper": ["codes"] }`, `the field "codes" does not exist`},
		{"personal data", `"x-pii": "mobile"`, `"x-pii": "phone"`, `/$defs/person/properties/phone/x-pii: kinds of personal data are`},
		{"remote reference", `"#/$defs/day"`, `"https://example.com/day.json"`, `/properties/days/items/$ref: a reference must be local`},
		{"reference to a file", `"#/$defs/day"`, `"other.schema.json#/x"`, `a reference must be local`},
		{"reference to nothing", `"#/$defs/day"`, `"#/$defs/night"`, `/properties/days/items/$ref: "#/$defs/night" leads nowhere`},
		{"endless reference", `"day": { "type": "string", "format": "top-date-time" }`, `"day": { "$ref": "#/$defs/day" }`, `refers to itself`},
		{"endless nesting", `"phone": { "type": "string", "x-pii": "mobile" }`, `"phone": { "$ref": "#/$defs/person" }`, `fields nest more than`},
		{"list of lists", `{ "$ref": "#/$defs/day" }`, `{ "type": "array", "items": { "type": "string" } }`, `a list of lists is not supported`},
		{"list of nothing", `"minItems": 2, "items": { "$ref": "#/$defs/day" },`, ``, `/properties/days: "items" is missing`},
		{"empty enumeration", `["full", "sample"]`, `[]`, `/properties/kind/enum: a list`},
		{"enumeration of another type", `["full", "sample"]`, `["full", 1]`, `/properties/kind/enum/1: a String is expected`},
		{"enumeration of a number", `"minimum": 0`, `"enum": [1.0]`, `/properties/percent/enum/0: a Number is expected, a number in plain`},
		{"enumeration of null", `["full", "sample"]`, `[null]`, `/properties/kind/enum/0: only Strings and Numbers`},
		{"data is no object", `"type": "object",`, `"type": "string",`, `is not known for a String`},
		{"field without a name", `"lot": { "type"`, `"": { "type"`, `a field needs a name`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "[]"
			if tt.old != "" {
				if text = strings.Replace(sixth(t), tt.old, tt.new, 1); text == sixth(t) {
					t.Fatalf("%q is not in the schema", tt.old)
				}
			}
			dir := overlay(t, map[string]string{"top.return.inspect.v1.schema.json": text})
			_, err := Load(dir)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
			file := filepath.Join(dir, "top.return.inspect.v1.schema.json")
			if !strings.Contains(err.Error(), file) && !strings.Contains(err.Error(), "both call the method") {
				t.Errorf("error %q does not name the file", err)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no folder: %v", err)
	}
	_, err := Load(overlay(t, map[string]string{"Top Secret.schema.json": sixth(t), "a.schema.json": "", "b.schema.json": "{}"}))
	for _, want := range []string{"named after the event type", "a.schema.json", "b.schema.json"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it: all defects are told at once", err, want)
		}
	}
}
