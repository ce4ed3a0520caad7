package top

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/toprelay/worker/schemas"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	value, ok := jsonTree(t, text).(map[string]any)
	if !ok {
		t.Fatalf("no object: %s", text)
	}
	return value
}

func TestEncodeForm(t *testing.T) {
	create := typeOf(t, "top.serviceorder.create.v1")
	update := typeOf(t, "top.logisticsorder.status.v1")
	for _, c := range []struct {
		name string
		typ  *schemas.Type
		data string
		want []Param // nil: refused
	}{
		{"sorted, numbers and booleans as text", update,
			`{"new_logistics":true,"cost":0,"logistics_order_id":9007199254740993,"comment":" x "}`,
			[]Param{{"comment", " x "}, {"cost", "0"}, {"logistics_order_id", "9007199254740993"}, {"new_logistics", "true"}}},
		{"blanks and nulls are not sent", update,
			`{"comment":"　\t","got_code":"","cost":null,"sub_express_codes":[],"weight":1}`,
			[]Param{{"weight", "1"}}},
		{"list joined with commas", update, `{"sub_express_codes":["A"," B "]}`, []Param{{"sub_express_codes", "A, B "}}},
		{"list of one blank", update, `{"sub_express_codes":[""]}`, []Param{}},
		{"comma inside an element", update, `{"sub_express_codes":["A,B"]}`, nil},
		{"null inside a list", update, `{"sub_express_codes":[null]}`, nil},
		{"struct as compact JSON in the page's order", create,
			`{"buyer":{"mobile":"1","address_town":"","location":0,"buyer_name":"<王> & \"五\"\u2028","full_address":null}}`,
			[]Param{{"buyer", `{"address_town":"","location":0,"buyer_name":"<王> & \"五\"` + "\u2028" + `","mobile":"1"}`}}},
		{"Json keeps nulls and numbers as written", create,
			`{"service_properties":{"b":1.50,"a":null,"c":[null,1E400,{"z":1,"y":2}]}}`,
			[]Param{{"service_properties", `{"a":null,"b":1.50,"c":[null,1E400,{"y":2,"z":1}]}`}}},
		{"Json as a list of plain values", create, `{"ext_json":[1,"a,b"]}`, []Param{{"ext_json", `[1,"a,b"]`}}},
		{"Json as text", create, `{"ext_json":"{ \"a\" : 1 }"}`, []Param{{"ext_json", `{ "a" : 1 }`}}},
		{"unknown fields", create, `{"x_list":[1,2],"x_object":{"b":true,"a":[{"c":null}]},"x_text":"t","x_bool":false}`,
			[]Param{{"x_bool", "false"}, {"x_list", "1,2"}, {"x_object", `{"a":[{}],"b":true}`}, {"x_text", "t"}}},
		{"a system parameter", create, `{"session":"mine"}`, nil},
		{"a sign", create, `{"sign":"mine"}`, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Encode(c.typ, object(t, c.data))
			if (err != nil) != (c.want == nil) {
				t.Fatalf("error %v", err)
			}
			if err == nil && !reflect.DeepEqual(got.Params, c.want) {
				t.Errorf("params %q, want %q", got.Params, c.want)
			}
			if got.Body != nil {
				t.Errorf("body %q", got.Body)
			}
		})
	}
}

func TestEncodeStruct(t *testing.T) {
	sync := typeOf(t, "top.workorder.sync.v1")
	got, err := Encode(sync, object(t, `{"zz":1,"aa":{"n":null},"extension":"{\"k\":\"v\"}\u0001\t/","provider_order_code":""}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Param{{"work_order_sync_request", `{"provider_order_code":"","extension":"{\"k\":\"v\"}\u0001\t/","aa":{},"zz":1}`}}
	if !reflect.DeepEqual(got.Params, want) {
		t.Errorf("params %q, want %q", got.Params, want)
	}
	if _, err := Encode(sync, map[string]any{"extension": "\xff"}); err == nil || strings.Contains(err.Error(), "\xff") {
		t.Errorf("text that is not UTF-8: %v", err)
	}
}

func TestEncodeQimenXML(t *testing.T) {
	issue := typeOf(t, "top.workorder.issue.v1")
	const head = `<?xml version="1.0" encoding="utf-8"?><request>`
	for _, c := range []struct{ name, data, want string }{
		{"nothing", `{}`, head + `</request>`},
		{"null and the empty list have no element", `{"attachments":[],"priority":null,"status":1}`, head + `<status>1</status></request>`},
		{"text is exact", `{"description":" a\r\n\tb]]>\u0085\u2028 "}`,
			head + "<description> a&#13;\n\tb]]&gt;\u0085\u2028 </description></request>"},
		{"lists", `{"attachments":["1","",true],"goods_infos":{"goods_info":[{"goods_name":"x"},{}]}}`,
			head + `<attachments><attachmentsItem>1</attachmentsItem><attachmentsItem></attachmentsItem><attachmentsItem>true</attachmentsItem></attachments>` +
				`<goods_infos><goods_info><goods_infoItem><goods_name>x</goods_name></goods_infoItem><goods_infoItem></goods_infoItem></goods_info></goods_infos></request>`},
		{"unknown fields come last, by name", `{"zz":[{"b":1}],"aa":{"c":"d"},"status":2}`,
			head + `<status>2</status><aa><c>d</c></aa><zz><zzItem><b>1</b></zzItem></zz></request>`},
		{"a character that XML cannot carry", `{"description":"\u0007"}`, ""},
		{"a noncharacter", `{"description":"\uffff"}`, ""},
		{"null inside a list", `{"attachments":[null]}`, ""},
		{"a name that is no element", `{"a b":1}`, ""},
		{"a name that begins with a digit", `{"1a":1}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Encode(issue, object(t, c.data))
			if (err != nil) != (c.want == "") {
				t.Fatalf("error %v", err)
			}
			if err == nil && string(got.Body) != c.want {
				t.Errorf("body\n%s, want\n%s", got.Body, c.want)
			}
			if len(got.Params) != 0 {
				t.Errorf("params %q", got.Params)
			}
		})
	}
	if _, err := Encode(issue, map[string]any{"description": "\xff"}); err == nil {
		t.Error("text that is not UTF-8 was accepted")
	}
	json1 := &schemas.Field{Name: "x", Kind: schemas.KindJSON}
	if text, err := appendContent(nil, "x", json1, object(t, `{"a":null}`)); err != nil || string(text) != `{"a":null}` {
		t.Errorf("Json in XML: %s, %v", text, err)
	}
}

func TestEncodeUnknownEncoding(t *testing.T) {
	if _, err := Encode(&schemas.Type{Encoding: "smoke", Root: &schemas.Field{}}, nil); err == nil {
		t.Error("accepted")
	}
	if _, err := scalarText(3.5); err == nil {
		t.Error("a float was accepted: numbers are json.Number")
	}
	if _, err := appendAsWritten(nil, json.Marshal); err == nil {
		t.Error("a function was accepted as JSON")
	}
}
