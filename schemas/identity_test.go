package schemas

import (
	"crypto/sha256"
	"strings"
	"testing"
)

func TestJoinParts(t *testing.T) {
	tests := []struct {
		parts []string
		want  string
	}{
		{[]string{"JD", "o-001"}, "2:JD5:o-001"},
		{[]string{"", ""}, "0:0:"},
		{[]string{"挂装"}, "6:挂装"},
		{[]string{"/wms/hangzhou-1", "ws-p02"}, "15:/wms/hangzhou-16:ws-p02"},
		{nil, ""},
	}
	for _, tt := range tests {
		if got := JoinParts(tt.parts...); got != tt.want {
			t.Errorf("JoinParts(%q) = %q, want %q", tt.parts, got, tt.want)
		}
	}
	if JoinParts("a", "b:1:c") == JoinParts("a1:b", "c") {
		t.Error("parts that differ make the same text")
	}
}

// The value stands in the contract, and is fixed for ever.
func TestDerivedID(t *testing.T) {
	if got := DerivedID("/wms/hangzhou-1", "ws-p02"); got != "f18c369bef6a171b1beb244c82a0d63e" {
		t.Errorf("DerivedID = %s", got)
	}
}

func TestKeyAndID(t *testing.T) {
	tests := []struct {
		typ, more, key, id string
	}{
		{logistics, `{"logistics_order_id":9007199254740993}`, "9007199254740993", ""},
		{logistics, `{"logistics_order_id":2.2e1}`, "22", ""},
		{delivery, `{"platform_order_id":"43","ticket_id":"T1"}`, "43", ""},
		{delivery, `{"-platform_order_id":0,"ticket_id":"T1"}`, "T1", ""},
		{delivery, `{"platform_order_id":null,"ticket_id":"T1"}`, "T1", ""},
		{delivery, `{"platform_order_id":" 43 "}`, " 43 ", ""},
		{sync1, `{}`, "P1", ""},
		{sync1, `{"idempotent_id":null}`, "P1", ""},
		{sync1, `{"idempotent_id":"x-1"}`, "P1", "x-1"},
		{issue, `{}`, "LW1", ""},
		{create, `{}`, "2:JD3:o-1", "2:JD3:o-1"},
		{create, `{"source":"JD3","out_order_id":"o"}`, "3:JD31:o", "3:JD31:o"},
	}
	for _, tt := range tests {
		checked, v := typeOf(t, tt.typ).Check(with(t, tt.typ, tt.more), UnknownReject)
		if v != nil {
			t.Errorf("%s: %v", tt.more, v)
			continue
		}
		if checked.Key != tt.key || checked.ID != tt.id {
			t.Errorf("%s %s: key %q, id %q, want %q, %q", tt.typ, tt.more, checked.Key, checked.ID, tt.key, tt.id)
		}
	}
}

// The key of invalid data is read where it can be, so that the event keeps its place among those of its key.
func TestKeyOfInvalidData(t *testing.T) {
	tests := []struct{ typ, data, key string }{
		{logistics, `{"logistics_order_id":22,"status_code":"nonsense"}`, "22"},
		{logistics, `{"logistics_order_id":22.0,"x":1}`, "22"},
		{logistics, `{"logistics_order_id":"22","status_code":"create"}`, "22"},
		{logistics, `{"logistics_order_id":22.5,"status_code":"create"}`, "22.5"},
		{logistics, `{"logistics_order_id":[22],"status_code":"create"}`, ""},
		{logistics, `{"logistics_order_id":" ","status_code":"create"}`, ""},
		{logistics, `{"status_code":"create"}`, ""},
		{delivery, `{"platform_order_id":43,"ticket_id":"T1"}`, "43"},
		{delivery, `{"ticket_id":"T1","status":"x"}`, "T1"},
		{delivery, `{"platform_order_id":"","ticket_id":"T1"}`, ""},
		{create, `{"source":"JD","out_order_id":"o-1"}`, "2:JD3:o-1"},
		{create, `{"source":"JD"}`, ""},
		{sync1, `{"provider_order_code":"P1"}`, "P1"},
	}
	for _, tt := range tests {
		checked, v := typeOf(t, tt.typ).Check(decode(t, tt.data), UnknownReject)
		if v == nil {
			t.Errorf("%s is accepted", tt.data)
		}
		if checked.Key != tt.key || checked.Data != nil || checked.ID != "" {
			t.Errorf("%s: %+v, want the key %q alone", tt.data, checked, tt.key)
		}
	}
}

// The canonical form, and so the hash, is fixed for its version.
func TestContent(t *testing.T) {
	tests := []struct{ typ, data, canonical string }{
		{logistics, ` { "status_code" : "cre\u0061te", "logistics_order_id":1.0, "comment":"a\"\\\/\n😀\u0001", "cost":null, "got_code":"  ",
			"sub_express_codes":["b","a"] }`,
			`{"comment":"a\"\\/\u000a😀\u0001","logistics_order_id":1.0,"status_code":"create","sub_express_codes":["b","a"]}`},
		{logistics, `{"logistics_order_id":1,"status_code":"signed","sign_time":"2026-03-01T02:30:00Z"}`,
			`{"logistics_order_id":1,"sign_time":"2026-03-01T02:30:00Z","status_code":"signed"}`},
		{delivery, `{"platform_order_id":"1","goods_list":[{"weight":null,"quantity":1e1}],"package_list":[]}`,
			`{"goods_list":[{"quantity":1e1}],"package_list":[],"platform_order_id":"1"}`},
		{create, valid[create][:len(valid[create])-1] + `,"ext_json":{"b":null,"a":[{"d":1,"c":1.50}]}}`,
			`{"buyer":{"buyer_name":"王五","mobile":"13000000000"},"ext_json":{"a":[{"c":1.50,"d":1}],"b":null},"out_order_id":"o-1","service_content":"挂装","service_count":1,"service_object_type":"5","service_product_id":2813,"service_properties":{"a":"b"},"source":"JD"}`},
	}
	for _, tt := range tests {
		checked, v := typeOf(t, tt.typ).Check(decode(t, tt.data), UnknownReject)
		if v != nil {
			t.Errorf("%s: %v", tt.data, v)
			continue
		}
		if checked.Content != sha256.Sum256([]byte(tt.canonical)) {
			t.Errorf("%s is not the hash of %s", tt.data, tt.canonical)
		}
	}
}

func TestSameContent(t *testing.T) {
	content := func(typ, more string, unknown UnknownFields) [32]byte {
		t.Helper()
		checked, v := typeOf(t, typ).Check(with(t, typ, more), unknown)
		if v != nil {
			t.Fatalf("%s: %v", more, v)
		}
		return checked.Content
	}
	tests := []struct {
		name    string
		typ     string
		a, b    string
		same    bool
		unknown UnknownFields
	}{
		{name: "absent and null", typ: delivery, a: `{}`, b: `{"mail_no":null}`, same: true},
		{name: "absent and blank in a form", typ: logistics, a: `{}`, b: `{"comment":" "}`, same: true},
		{name: "absent and empty in a struct", typ: delivery, a: `{}`, b: `{"mail_no":""}`},
		{name: "order of a list", typ: logistics, a: `{"sub_express_codes":["a","b"]}`, b: `{"sub_express_codes":["b","a"]}`},
		{name: "one number in two forms", typ: logistics, a: `{"cost":1}`, b: `{"cost":1.0}`},
		{name: "one time in two forms", typ: logistics, a: `{"sign_time":"2026-03-01 10:30:00"}`, b: `{"sign_time":"2026-03-01T02:30:00Z"}`},
		{name: "texts are not normalised", typ: logistics, a: `{"comment":"\u00e9"}`, b: `{"comment":"e\u0301"}`},
		{name: "null in Json", typ: create, a: `{"ext_json":{}}`, b: `{"ext_json":{"a":null}}`},
		{name: "unknown fields count", typ: logistics, a: `{}`, b: `{"x":1}`, unknown: UnknownDrop},
		{name: "unknown null", typ: logistics, a: `{"x":{"a":1}}`, b: `{"x":{"a":1,"b":null},"y":null}`, unknown: UnknownDrop, same: true},
	}
	for _, tt := range tests {
		if got := content(tt.typ, tt.a, tt.unknown) == content(tt.typ, tt.b, tt.unknown); got != tt.same {
			t.Errorf("%s: same content = %v", tt.name, got)
		}
	}
	// Whether unknown fields are dropped or sent is configuration, not content.
	more := `{"x":{"b":[1,{"z":null,"y":2}],"a":""},"Z":1,"comment":"c"}`
	if content(logistics, more, UnknownDrop) != content(logistics, more, UnknownSend) {
		t.Error("the content depends on unknown_fields")
	}
}

// What is checked stays what it is: the result of one check passes another one and comes out the same.
func TestCheckedDataIsTheCallersOwn(t *testing.T) {
	typ := typeOf(t, sync1)
	data := with(t, sync1, `{}`)
	checked, v := typ.Check(data, UnknownReject)
	if v != nil {
		t.Fatal(v)
	}
	checked.Data["idempotent_id"] = "written"
	if data["idempotent_id"] != nil {
		t.Error("data was changed")
	}
	if empty, _ := typ.Check(nil, UnknownReject); empty.Data != nil {
		t.Error("no data is valid")
	}
}

func TestIsBlank(t *testing.T) {
	for s, want := range map[string]bool{"": true, " \t\n\v\f\r": true, "\u0085\u00a0\u3000\u2003": true, "a": false, " a": false, "\u200b": false, "\x00": false, "\ufeff": false, "\u3000a": false} {
		if isBlank(s) != want {
			t.Errorf("isBlank(%q) = %v", s, !want)
		}
	}
}

func TestIsXMLText(t *testing.T) {
	for s, want := range map[string]bool{"": true, "a<&>]]>\t\r\n": true, "\x7f\u0085\ud7ff\ue000\ufffd\U00010000\U0010ffff": true,
		"\x00": false, "a\x0b": false, "\x1f": false, "\ufffe": false, "\uffff": false, "\xff": false, strings.Repeat("好", 10) + "\x01": false} {
		if isXMLText(s) != want {
			t.Errorf("isXMLText(%q) = %v", s, !want)
		}
	}
}
