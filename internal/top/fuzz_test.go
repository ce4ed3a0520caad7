package top

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/toprelay/worker/schemas"
)

// checkRead holds for every body: it has a meaning or an error, its texts are bounded, and what it is decided to be is
// one of the classes.
func checkRead(t *testing.T, typ *schemas.Type, body []byte) {
	var d replyDecoder
	got, err := d.read(typ, bytes.NewBuffer(bytes.Clone(body)))
	if (err != nil) != (got.kind == kindUnknown) {
		t.Fatalf("kind %d with error %v", got.kind, err)
	}
	if len(got.code) > maxShort || len(got.subCode) > maxShort || len(got.requestID) > maxShort || len(got.message) > maxMessage {
		t.Fatal("a text is not bounded")
	}
	if !utf8.ValidString(got.message + got.code + got.subCode + got.requestID) {
		t.Fatal("a text is not UTF-8")
	}
	if _, err := json.Marshal(got.fields); err != nil {
		t.Fatalf("fields that are no JSON: %v", err)
	}
	if again, _ := d.read(typ, bytes.NewBuffer(bytes.Clone(body))); again.kind != got.kind || again.code != got.code || again.success != got.success {
		t.Fatal("a decoder that is used again reads something else")
	}
	for _, repeatable := range []bool{true, false} {
		r := answer(withRepeatable(typ, repeatable), string(body))
		switch r.Class {
		case ClassOK, ClassRejected:
		case ClassThrottled, ClassSession, ClassMisconfigured:
			if r.Scope == ScopeNone {
				t.Fatalf("%s without a scope", r.Class)
			}
		case ClassTransient:
			if !repeatable && !r.NothingRan {
				t.Fatal("a call that must not be repeated would be")
			}
		case ClassAmbiguous:
			if repeatable {
				t.Fatal("a call that may be repeated would not be")
			}
		default:
			t.Fatalf("class %s", r.Class)
		}
	}
}

func FuzzReplyJSON(f *testing.F) {
	for _, body := range []string{
		createOK, updateOK, `{"is_success":true,"workcard_ids":[1,2],"request_id":"x"}`,
		`{"error_response":{"code":7,"msg":"App Call Limited","sub_code":"accesscontrol.limited-by-api-access-count","sub_msg":"This ban will last for 1 more seconds"}}`,
		`{"error_response":{"code":"15","sub_code":"isp.null-pointer-exception"}}`,
		`{"error_response":{"code":1e999}}`, `{"result":{"success":"true"}}`, "\uFEFF{}", "{\"a\":\"\xb8\xfc\"}", `{"a":"\ud800"}`,
		strings.Repeat(`{"a":[`, 100), `{"x":{"is_success":false,"display_msg":"&apos;&#0;"}}`,
	} {
		f.Add([]byte(body))
	}
	create := typeOf(f, "top.serviceorder.create.v1")
	f.Fuzz(func(t *testing.T, body []byte) { checkRead(t, create, body) })
}

func FuzzReplyXML(f *testing.F) {
	for _, body := range []string{
		`<?xml version="1.0" encoding="utf-8" ?><response><success>true</success><request_id>r</request_id></response><!--x-->`,
		`<response><success>false</success><biz_error_code>PARAM_ERROR</biz_error_code><biz_error_msg>a&amp;b</biz_error_msg></response>`,
		`<error_response><code>25</code><msg>Invalid signature</msg></error_response>`,
		`<response><flag>failure</flag><code>15</code><sub_code>isp.x</sub_code></response>`,
		`<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>`, `<r><![CDATA[x]]></r>`, `<a:b xmlns:a="c"><a:success>true</a:success></a:b>`,
		strings.Repeat("<a>", 100), `{"response":{"success":true}}`,
	} {
		f.Add([]byte(body))
	}
	issue := typeOf(f, "top.workorder.issue.v1")
	f.Fuzz(func(t *testing.T, body []byte) { checkRead(t, issue, body) })
}
