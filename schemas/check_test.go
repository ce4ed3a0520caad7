package schemas

import (
	"maps"
	"strings"
	"testing"
)

const (
	logistics = "top.logisticsorder.status.v1"
	delivery  = "top.deliveryorder.status.v1"
	sync1     = "top.workorder.sync.v1"
	issue     = "top.workorder.issue.v1"
	create    = "top.serviceorder.create.v1"
)

// valid data of each type, to which a test adds what it is about.
var valid = map[string]string{
	logistics: `{"logistics_order_id":1,"status_code":"create"}`,
	delivery:  `{"platform_order_id":"43"}`,
	sync1: `{"provider_order_create_time":"2024-11-22 00:00:00","provider_order_code":"P1","provider_order_update_time":"2024-11-22 00:10:00",
		"service_code":"催派送","provider_order_type":1,"biz_order_code":"B1","biz_order_type":1}`,
	issue: `{"customer_type":4,"work_order_code":"LW1","category_code":"C","description":"d","biz_order_code":"B","work_order_type":1,
		"work_order_task":{"task_expire_time":"2023-08-23 00:00:00","structural_replys":[{"reply_supplements":{"reply_supplement":[
		{"field_label":"l","field_name":"n","field_type":"string","require":true,"field_value":""}]},"reply_value":101,"reply_label":"r"}],
		"task_start_time":"2023-08-22 00:00:00"},"start_time":"2023-08-22 00:00:00","customer_name":"c","category":"g","status":1,
		"scenario_code":110,"biz_order_type":1}`,
	create: `{"service_product_id":2813,"service_object_type":"5","service_content":"挂装","service_properties":{"a":"b"},
		"buyer":{"buyer_name":"王五","mobile":"13000000000"},"service_count":1,"out_order_id":"o-1","source":"JD"}`,
}

// with returns the valid data of a type, changed by more: its members replace those of the valid data; "-name" removes one.
func with(t testing.TB, typ, more string) map[string]any {
	t.Helper()
	data := decode(t, valid[typ])
	for name, value := range decode(t, more) {
		if gone, is := strings.CutPrefix(name, "-"); is {
			delete(data, gone)
		} else {
			data[name] = value
		}
	}
	return data
}

// TestRules has a line for each rule of the contract's section 3 and of the API pages that data decides.
func TestRules(t *testing.T) {
	tests := []struct {
		name string
		typ  string
		more string
		// want is what is sent of more; or else the pointer that the data is refused with, "none" for none.
		want    string
		pointer string
	}{
		// null counts as absent at every depth
		{name: "null is not sent", typ: logistics, more: `{"comment":null}`, want: `{}`},
		{name: "null in a struct", typ: create, more: `{"buyer":{"buyer_name":"王五","mobile":"1","address_town":null}}`,
			want: `{"buyer":{"buyer_name":"王五","mobile":"1"}}`},
		{name: "null in a list's struct", typ: delivery, more: `{"goods_list":[{"sku_code":null,"quantity":1},{}]}`,
			want: `{"goods_list":[{"quantity":1},{}]}`},
		{name: "a required null is missing", typ: logistics, more: `{"status_code":null}`, pointer: "/status_code"},
		{name: "a required null in a struct is missing", typ: create, more: `{"buyer":{"buyer_name":"王五","mobile":null}}`, pointer: "/buyer/mobile"},
		{name: "a conditionally required null is missing", typ: logistics, more: `{"status_code":"signed","sign_time":null}`, pointer: "/sign_time"},
		{name: "an unknown null is absent", typ: logistics, more: `{"nobody":null}`, want: `{}`},
		{name: "null inside Json is kept", typ: create, more: `{"ext_json":{"a":null,"b":[null]}}`, want: `{"ext_json":{"a":null,"b":[null]}}`},
		{name: "null is no element", typ: logistics, more: `{"sub_express_codes":["a",null]}`, pointer: "/sub_express_codes/1"},
		{name: "null idempotent id: derived", typ: sync1, more: `{"idempotent_id":null}`, want: `{}`},

		// blank form parameters count as absent; inside a struct or the XML an empty string is kept
		{name: "empty form parameter", typ: logistics, more: `{"comment":""}`, want: `{}`},
		{name: "blank form parameter", typ: logistics, more: `{"comment":" \t\r\n\u3000\u00a0\u0085"}`, want: `{}`},
		{name: "zero width space is no blank", typ: logistics, more: `{"comment":"\u200b"}`, want: `{"comment":"\u200b"}`},
		{name: "blank date of a form", typ: logistics, more: `{"sign_time":""}`, want: `{}`},
		{name: "blank Json of a form", typ: create, more: `{"ext_json":"  "}`, want: `{}`},
		{name: "blank required form parameter is missing", typ: create, more: `{"service_content":" "}`, pointer: "/service_content"},
		{name: "blank conditionally required form parameter is missing", typ: logistics,
			more: `{"status_code":"pickup_finished","pickup_finish_time":"2026-03-01 11:00:00","goods_info":" "}`, pointer: "/goods_info"},
		{name: "blank element alone", typ: logistics, more: `{"sub_express_codes":[" "]}`, want: `{}`},
		{name: "blank required Json is missing", typ: create, more: `{"service_properties":""}`, pointer: "/service_properties"},
		{name: "empty text in a form's struct is kept", typ: create, more: `{"buyer":{"buyer_name":"","mobile":""}}`, want: `{"buyer":{"buyer_name":"","mobile":""}}`},
		{name: "empty text in a struct is kept", typ: delivery, more: `{"mail_no":"","ticket_id":"","goods_list":[{"sku_name":""}]}`,
			want: `{"mail_no":"","ticket_id":"","goods_list":[{"sku_name":""}]}`},
		{name: "required empty text in a struct is there", typ: sync1, more: `{"service_code":""}`, want: `{"service_code":""}`},
		{name: "empty text in XML is kept", typ: issue, more: `{"description":"","attachments":[""]}`, want: `{"description":"","attachments":[""]}`},
		{name: "blank date in a struct", typ: sync1, more: `{"provider_order_expire_time":""}`, pointer: "/provider_order_expire_time"},
		{name: "blank date in XML", typ: issue, more: `{"expire_time":" "}`, pointer: "/expire_time"},
		{name: "blank date in a form's struct", typ: create, more: `{"reservation":{"reserve_time_start":""}}`, pointer: "/reservation/reserve_time_start"},

		// keys and ids
		{name: "missing key", typ: logistics, more: `{"-logistics_order_id":0}`, pointer: "/logistics_order_id"},
		{name: "blank key in a struct", typ: sync1, more: `{"provider_order_code":" "}`, pointer: "/provider_order_code"},
		{name: "blank key in XML", typ: issue, more: `{"work_order_code":""}`, pointer: "/work_order_code"},
		{name: "blank key of a form is missing", typ: create, more: `{"source":"\u3000"}`, pointer: "/source"},
		{name: "blank first key", typ: delivery, more: `{"platform_order_id":"","ticket_id":"T1"}`, pointer: "/platform_order_id"},
		{name: "null first key", typ: delivery, more: `{"platform_order_id":null,"ticket_id":"T1"}`, want: `{"-platform_order_id":0,"ticket_id":"T1"}`},
		{name: "blank second key alone", typ: delivery, more: `{"-platform_order_id":0,"ticket_id":""}`, pointer: "/ticket_id"},
		{name: "neither key", typ: delivery, more: `{"-platform_order_id":0}`, pointer: "none"},
		{name: "blank idempotent id", typ: sync1, more: `{"idempotent_id":""}`, pointer: "/idempotent_id"},
		{name: "idempotent id of white space", typ: sync1, more: `{"idempotent_id":" \u3000"}`, pointer: "/idempotent_id"},

		// Number
		{name: "whole number with a fraction", typ: logistics, more: `{"volume":22.0}`, want: `{"volume":22}`},
		{name: "whole number with an exponent", typ: logistics, more: `{"volume":1E3}`, want: `{"volume":1000}`},
		{name: "negative zero", typ: logistics, more: `{"volume":-0}`, want: `{"volume":0}`},
		{name: "largest", typ: logistics, more: `{"volume":9223372036854775807,"weight":-9223372036854775808}`,
			want: `{"volume":9223372036854775807,"weight":-9223372036854775808}`},
		{name: "too large", typ: logistics, more: `{"volume":9223372036854775808}`, pointer: "/volume"},
		{name: "absurd exponent", typ: logistics, more: `{"volume":1e999999999}`, pointer: "/volume"},
		{name: "not whole", typ: logistics, more: `{"volume":22.5}`, pointer: "/volume"},
		{name: "a string in its place", typ: logistics, more: `{"volume":"22"}`, pointer: "/volume"},
		{name: "a Boolean in its place", typ: logistics, more: `{"volume":true}`, pointer: "/volume"},
		{name: "in a struct", typ: delivery, more: `{"package_list":[{"weight":1.0e2}]}`, want: `{"package_list":[{"weight":100}]}`},
		{name: "the key of a number", typ: logistics, more: `{"logistics_order_id":2.2e1}`, want: `{"logistics_order_id":22}`},

		// Date
		{name: "RFC 3339 in a form", typ: logistics, more: `{"sign_time":"2026-03-01T02:30:00.9Z"}`, want: `{"sign_time":"2026-03-01 10:30:00"}`},
		{name: "RFC 3339 in a struct", typ: sync1, more: `{"provider_order_expire_time":"2024-11-30T23:59:59+09:00"}`,
			want: `{"provider_order_expire_time":"2024-11-30 22:59:59"}`},
		{name: "RFC 3339 in a nested struct of XML", typ: issue, more: `{"expire_time":"2023-08-24T00:00:00+08:00"}`, want: `{"expire_time":"2023-08-24 00:00:00"}`},
		{name: "second 60", typ: logistics, more: `{"sign_time":"2026-03-01T02:30:60Z"}`, pointer: "/sign_time"},
		{name: "hour 24", typ: logistics, more: `{"sign_time":"2026-03-01 24:00:00"}`, pointer: "/sign_time"},
		{name: "a number for a date", typ: logistics, more: `{"sign_time":1772330400000}`, pointer: "/sign_time"},
		{name: "all four times of issue", typ: issue, more: `{"start_time":"today"}`, pointer: "/start_time"},

		// Json
		{name: "Json as an object", typ: create, more: `{"ext_json":{"n":1.50,"e":1E3,"id":18446744073709551617}}`,
			want: `{"ext_json":{"n":1.50,"e":1E3,"id":18446744073709551617}}`},
		{name: "Json as an array", typ: create, more: `{"ext_json":[1,"a,b",null]}`, want: `{"ext_json":[1,"a,b",null]}`},
		{name: "Json as an empty array", typ: create, more: `{"ext_json":[]}`, want: `{"ext_json":[]}`},
		{name: "Json as text", typ: create, more: `{"ext_json":" {\"n\": 1.50} "}`, want: `{"ext_json":" {\"n\": 1.50} "}`},
		{name: "Json text that is a number", typ: create, more: `{"ext_json":"22"}`, pointer: "/ext_json"},
		{name: "Json text that is no JSON", typ: create, more: `{"ext_json":"{a:b}"}`, pointer: "/ext_json"},
		{name: "Json text with two values", typ: create, more: `{"ext_json":"{} {}"}`, pointer: "/ext_json"},
		{name: "Json that is a number", typ: create, more: `{"ext_json":1}`, pointer: "/ext_json"},
		{name: "extension is a String", typ: sync1, more: `{"extension":"{key:value}"}`, want: `{"extension":"{key:value}"}`},
		{name: "extension is no object", typ: sync1, more: `{"extension":{"a":1}}`, pointer: "/extension"},
		{name: "goods_info is a String", typ: logistics, more: `{"goods_info":"two coats"}`, want: `{"goods_info":"two coats"}`},
		{name: "extend_info is a String", typ: logistics, more: `{"extend_info":"{"}`, want: `{"extend_info":"{"}`},

		// lists
		{name: "comma in a joined list", typ: logistics, more: `{"sub_express_codes":["a","b","c,"]}`, pointer: "/sub_express_codes/2"},
		{name: "comma in a list of a struct", typ: delivery, more: `{"service_fulfil_result":[{"pic_urls":["a,b"]}]}`,
			want: `{"service_fulfil_result":[{"pic_urls":["a,b"]}]}`},
		{name: "empty list of a form", typ: logistics, more: `{"sub_express_codes":[]}`, want: `{}`},
		{name: "empty list of a struct", typ: delivery, more: `{"goods_list":[],"package_list":[{"origin_package_mail_nos":[]}]}`, want: `{"package_list":[{}]}`},
		{name: "empty list of XML", typ: issue, more: `{"goods_infos":{"goods_info":[]}}`, want: `{"goods_infos":{}}`},
		{name: "a text for a list", typ: logistics, more: `{"sub_express_codes":"a,b"}`, pointer: "/sub_express_codes"},
		{name: "a number in a list of Strings", typ: logistics, more: `{"sub_express_codes":["a",1]}`, pointer: "/sub_express_codes/1"},

		// names are compared exactly
		{name: "other case", typ: logistics, more: `{"Comment":"x"}`, pointer: "/Comment"},
		{name: "a pointer with special characters", typ: logistics, more: `{"a/b~c":1}`, pointer: "/a~1b~0c"},
		{name: "an empty name", typ: logistics, more: `{"":1}`, pointer: "/"},
		{name: "camel case in a struct", typ: create, more: `{"buyer":{"buyer_name":"王五","mobile":"1","addressTown":"x"}}`, pointer: "/buyer/addressTown"},

		// XML
		{name: "a control character in XML", typ: issue, more: `{"category":"a\u0001"}`, pointer: "/category"},
		{name: "a control character in a list of XML", typ: issue, more: `{"attachments":["a","\u001f"]}`, pointer: "/attachments/1"},
		{name: "U+FFFE in XML", typ: issue, more: `{"category":"\ufffe"}`, pointer: "/category"},
		{name: "a control character as biz_order_type", typ: issue, more: `{"biz_order_type":"\u0000"}`, pointer: "/biz_order_type"},
		{name: "white space, DEL and emoji in XML", typ: issue, more: `{"category":"\t\r\n\u007f\ufffd😀"}`, want: `{"category":"\t\r\n\u007f\ufffd😀"}`},
		{name: "a control character in a struct", typ: delivery, more: `{"mail_no":"\u0007"}`, want: `{"mail_no":"\u0007"}`},

		// shapes
		{name: "a text for a struct", typ: create, more: `{"buyer":"王五"}`, pointer: "/buyer"},
		{name: "a list for a struct", typ: create, more: `{"buyer":[]}`, pointer: "/buyer"},
		{name: "a struct for a text", typ: logistics, more: `{"comment":{}}`, pointer: "/comment"},
		{name: "a text for a Boolean", typ: logistics, more: `{"new_logistics":"true"}`, pointer: "/new_logistics"},
		{name: "a number for a Boolean", typ: logistics, more: `{"new_logistics":1}`, pointer: "/new_logistics"},
		{name: "false and 0 are values", typ: logistics, more: `{"new_logistics":false,"cost":0}`, want: `{"new_logistics":false,"cost":0}`},
		{name: "an empty struct is kept", typ: create, more: `{"reservation":{}}`, want: `{"reservation":{}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			typ := typeOf(t, tt.typ)
			data := with(t, tt.typ, tt.more)
			before := canonicalText(data)
			checked, v := typ.Check(data, UnknownReject)
			if canonicalText(data) != before {
				t.Error("data was changed")
			}
			if tt.pointer != "" {
				wantRefused(t, v, tt.pointer, data)
				return
			}
			if v != nil {
				t.Fatalf("refused: %v", v)
			}
			want := decode(t, tt.want)
			for name, value := range decode(t, valid[tt.typ]) {
				if _, is := want[name]; !is {
					want[name] = value
				}
				if _, gone := want["-"+name]; gone {
					delete(want, name)
					delete(want, "-"+name)
				}
			}
			if got := canonicalText(checked.Data); got != canonicalText(want) {
				t.Errorf("sent %s, want %s", got, canonicalText(want))
			}
		})
	}
}

// wantRefused checks the pointer, and that nothing of the data is said.
func wantRefused(t *testing.T, v *Violation, pointer string, data map[string]any) {
	t.Helper()
	if v == nil {
		t.Fatal("accepted")
	}
	if pointer == "none" {
		pointer = ""
	}
	if v.Pointer != pointer {
		t.Errorf("pointer %q, want %q (%s)", v.Pointer, pointer, v.Message)
	}
	if v.Message == "" {
		t.Error("no message")
	}
	for _, text := range leaves(data) {
		schemaWord := text == "pickup_finished" || text == "volumeWeight"
		if len(text) > 6 && !schemaWord && strings.Contains(v.Message, text) {
			t.Errorf("the message holds a value: %s", v.Message)
		}
	}
}

func TestUnknownFields(t *testing.T) {
	tests := []struct {
		name    string
		typ     string
		more    string
		unknown UnknownFields
		want    string // sent of more
		dropped int
		pointer string
	}{
		{name: "reject", typ: logistics, more: `{"x":1}`, unknown: UnknownReject, pointer: "/x"},
		{name: "the zero value rejects", typ: logistics, more: `{"x":1}`, pointer: "/x"},
		{name: "of several the first by name", typ: logistics, more: `{"z":1,"x":1,"y":1}`, unknown: UnknownReject, pointer: "/x"},
		{name: "drop counts a field once", typ: logistics, more: `{"x":{"a":1,"b":[2,null]},"y":null,"z":"","comment":"c"}`, unknown: UnknownDrop,
			want: `{"comment":"c"}`, dropped: 2},
		{name: "drop at depth", typ: create, more: `{"buyer":{"buyer_name":"n","mobile":"m","x":1}}`, unknown: UnknownDrop,
			want: `{"buyer":{"buyer_name":"n","mobile":"m"}}`, dropped: 1},
		{name: "drop in a list", typ: delivery, more: `{"goods_list":[{"x":1},{"x":2,"quantity":3.0}]}`, unknown: UnknownDrop,
			want: `{"goods_list":[{},{"quantity":3}]}`, dropped: 2},
		{name: "drop at several depths", typ: create, more: `{"x":1,"buyer":{"buyer_name":"n","mobile":"m","x":1,"y":2}}`, unknown: UnknownDrop,
			want: `{"buyer":{"buyer_name":"n","mobile":"m"}}`, dropped: 3},
		{name: "what is dropped cannot be wrong", typ: issue, more: `{"a b":"\u0000","c":[null]}`, unknown: UnknownDrop, want: `{}`, dropped: 2},
		{name: "drop still checks the others", typ: logistics, more: `{"x":1,"volume":"2"}`, unknown: UnknownDrop, pointer: "/volume"},
		{name: "send as written", typ: logistics, more: `{"x":1.50,"y":{"a":null,"b":[1E3,true]},"z":null}`, unknown: UnknownSend,
			want: `{"x":1.50,"y":{"b":[1E3,true]}}`},
		{name: "send at depth", typ: delivery, more: `{"goods_list":[{"name":"n","session":"s"}]}`, unknown: UnknownSend,
			want: `{"goods_list":[{"name":"n","session":"s"}]}`},
		{name: "a blank form parameter is not sent", typ: logistics, more: `{"x":" "}`, unknown: UnknownSend, want: `{}`},
		{name: "a comma in a list of a form", typ: logistics, more: `{"x":["a","b,c"]}`, unknown: UnknownSend, pointer: "/x/1"},
		{name: "a list of structs goes out as JSON", typ: logistics, more: `{"x":["b,c",{}]}`, unknown: UnknownSend, want: `{"x":["b,c",{}]}`},
		{name: "an empty list", typ: logistics, more: `{"x":[]}`, unknown: UnknownSend, want: `{}`},
		{name: "a null element", typ: logistics, more: `{"x":{"y":[null]}}`, unknown: UnknownSend, pointer: "/x/y/0"},
		{name: "system parameters of a form", typ: logistics, unknown: UnknownSend, dropped: 12, want: `{"SIGN":"x"}`,
			more: `{"method":"m","app_key":"a","session":"s","timestamp":"t","v":"2.0","format":"xml","sign_method":"md5","sign":"s",
				"partner_id":"p","simplify":true,"target_app_key":"t","customerId":"c","SIGN":"x"}`},
		{name: "system parameters of a struct", typ: delivery, more: `{"session":"s","x":1}`, unknown: UnknownSend, want: `{"x":1}`, dropped: 1},
		{name: "system parameters of XML", typ: issue, more: `{"method":{"a":1}}`, unknown: UnknownSend, want: `{}`, dropped: 1},
		{name: "drop takes system parameters", typ: logistics, more: `{"session":"s"}`, unknown: UnknownDrop, want: `{}`, dropped: 1},
		{name: "text that XML cannot carry", typ: issue, more: `{"x":{"y":"\u0001"}}`, unknown: UnknownSend, pointer: "/x/y"},
		{name: "a name that XML cannot have", typ: issue, more: `{"x":{"a b":"c"}}`, unknown: UnknownSend, pointer: "/x/a b"},
		{name: "an empty name in XML", typ: issue, more: `{"":"c"}`, unknown: UnknownSend, pointer: "/"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := with(t, tt.typ, tt.more)
			checked, v := typeOf(t, tt.typ).Check(data, tt.unknown)
			if tt.pointer != "" {
				wantRefused(t, v, tt.pointer, data)
				return
			}
			if v != nil {
				t.Fatalf("refused: %v", v)
			}
			want := decode(t, valid[tt.typ])
			maps.Copy(want, decode(t, tt.want))
			if got := canonicalText(checked.Data); got != canonicalText(want) {
				t.Errorf("sent %s, want %s", got, canonicalText(want))
			}
			if checked.Dropped != tt.dropped {
				t.Errorf("dropped %d, want %d", checked.Dropped, tt.dropped)
			}
		})
	}
}
