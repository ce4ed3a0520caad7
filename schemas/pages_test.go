package schemas

import (
	"slices"
	"strings"
	"testing"
)

// pages is what the API pages say: each field in the order of the page, with its type and ! where it is required.
// (…) holds the fields of a struct or of the items of a list.
var pages = map[string]string{
	logistics: `volume:Number weight:Number comment:String express_code:String express_company:String courier_mobile:String
		courier_name:String got_code:String logistics_order_id:Number! cost:Number goods_info:String status_code:String!
		sub_express_codes:String[] delivery_time:Date sign_time:Date pickup_finish_time:Date pickup_door_time:Date
		new_logistics:Boolean extend_info:String`,
	delivery: `open_user_id:String platform_order_id:String status:String mail_no:String length:Number width:Number
		height:Number weight:Number
		goods_list:struct[] ( sku_name:String quantity:Number sku_code:String length:Number width:Number height:Number weight:Number )
		order_id:String mail_company:String end_mail_no:String end_mail_company:String exception_desc:String
		package_list:struct[] ( origin_package_mail_nos:String[] mail_no:String outer_package_id:String length:Number width:Number
			height:Number weight:Number status:String )
		service_fulfil_result:struct[] ( service_code:String pic_urls:String[] remark:String length:Number width:Number height:Number
			weight:Number package_count:Number item_count:Number charge_type:String sub_ticket_id:Number result_fail:Boolean fail_msg:String )
		ticket_id:String other_fee:Number other_fee_desc:String error_code:String`,
	// idempotent_id is required by the page; an event may leave it to the worker.
	sync1: `provider_order_create_time:Date! provider_order_code:String! tt_logistics_order_type:Number provider_order_expire_time:Date
		provider_order_update_time:Date! provider_order_customer_type:Number
		structural_reply:struct ( reply_supplements:struct[] ( field_name:String field_value:String ) reply_value:Number )
		service_code:String! tt_logistics_order_code:String provider_order_type:Number! biz_order_code:String! biz_order_type:Number!
		idempotent_id:String extension:String`,
	// The times are Strings of the form of a Date; biz_order_type is a Number with a text as its sample.
	issue: `customer_type:Number! extension:String work_order_code:String! category_code:String! attachments:String[] expire_time:Date
		description:String! priority:String biz_order_code:String! work_order_type:Number!
		work_order_task:struct! ( task_expire_time:Date! task_status:Number
			structural_replys:struct[]! (
				reply_supplements:struct! ( reply_supplement:struct[]! ( field_label:String! field_name:String! field_type:String!
					require:Boolean! field_value:String! ) )
				reply_value:Number! reply_label:String! operate_type:Number )
			description:String task_start_time:Date! attachments:String[] )
		start_time:Date! customer_name:String! category:String! status:Number! scenario_code:Number!
		goods_infos:struct ( goods_info:struct[] ( goods_pic_url:String goods_name:String sku_name:String goods_quantity:String
			return_quantity:String return_goods_amount:String actual_payment_amount:String ) )
		biz_order_type:any!`,
	create: `service_product_id:Number! service_object_type:String! service_object_name:String service_content:String!
		service_properties:Json! brand_id:Number
		buyer:struct! ( address_province:String address_city:String address_district:String address_town:String address_detail:String
			full_address:String location:Number buyer_name:String! mobile:String! )
		reservation:struct ( reserve_time_start:Date reserve_time_end:Date )
		service_count:Number! out_order_id:String! source:String! ext_json:Json memo:String`,
}

// TestPages: every field of the pages is there with its type, whether it is required, its place, and a description.
func TestPages(t *testing.T) {
	for name, page := range pages {
		want := strings.Fields(page)
		if got := describe(t, typeOf(t, name).Root); !slices.Equal(got, want) {
			t.Errorf("%s is\n%s\nwant\n%s", name, strings.Join(got, " "), strings.Join(want, " "))
		}
	}
}

func describe(t *testing.T, f *Field) []string {
	t.Helper()
	var out []string
	for _, child := range f.Fields {
		if child.Description == "" || strings.ContainsFunc(child.Description, func(r rune) bool { return r > 0x2fff }) {
			t.Errorf("%s has no English description", child.Name)
		}
		kind, below, list := child.Kind, child, ""
		if kind == KindList {
			kind, below, list = child.Item.Kind, child.Item, "[]"
		}
		text := child.Name + ":" + kind.String() + list
		if kind == KindAny {
			text = child.Name + ":any"
		}
		if child.Required {
			text += "!"
		}
		out = append(out, text)
		if kind == KindObject {
			out = append(append(append(out, "("), describe(t, below)...), ")")
		}
	}
	return out
}

// TestEnumerations: each value of the pages' lists passes, in its own spelling, and nothing else.
func TestEnumerations(t *testing.T) {
	tests := []struct {
		typ, pointer string
		more         func(value string) string // data that holds the value, with what the value demands
		good         []string
		bad          []string
	}{
		{logistics, "/status_code", func(v string) string {
			return `{"status_code":` + v + `,"goods_info":"[]","pickup_finish_time":"2026-03-01 00:00:00","pickup_door_time":"2026-03-01 00:00:00",
				"delivery_time":"2026-03-01 00:00:00","sign_time":"2026-03-01 00:00:00"}`
		}, []string{`"create"`, `"cancel"`, `"assign"`, `"assigned"`, `"pickup_door"`, `"pickup_finished"`, `"dispatching"`, `"signed"`},
			[]string{`"delivered"`, `"Create"`, `"create "`}},
		{delivery, "/status", func(v string) string { return `{"status":` + v + `,"error_code":"OTHER"}` },
			[]string{`"PACKAGING"`, `"PACK_FINISH"`, `"PACK_FAIL"`, `"ABNORMAL_DELIVERY"`, `"ISSUE_SUCCEEDED"`},
			[]string{`"pack_fail"`, `"SHIPPED"`, `""`}},
		{delivery, "/error_code", func(v string) string { return `{"error_code":` + v + `}` },
			[]string{`"CANT_SHIP"`, `"ITEM_WORN"`, `"ITEM_LOST"`, `"RECEIVE_ADS_ERROR"`, `"OTHER"`, `"USER_CHANGE_SERVICE"`, `"USER_INFO_ERROR"`},
			[]string{`"LOST"`, `""`}},
		{delivery, "/package_list/0/status", func(v string) string { return `{"package_list":[{"status":` + v + `}]}` },
			[]string{`"ABNORMAL_DELIVERY"`, `"ISSUE_SUCCEEDED"`}, []string{`"PACKAGING"`}},
		{delivery, "/service_fulfil_result/0/charge_type", func(v string) string {
			return `{"service_fulfil_result":[{"charge_type":` + v + `,"length":1,"width":1,"height":1,"weight":1,"package_count":1,"item_count":1}]}`
		}, []string{`"volumeWeight"`, `"weight"`, `"packageNum"`, `"itemNum"`}, []string{`"volumeweight"`, `"volume"`}},
		{issue, "/work_order_type", func(v string) string { return `{"work_order_type":` + v + `}` }, []string{"0", "1", "2", "2.0"}, []string{"3", "-1", `"1"`}},
		{issue, "/status", func(v string) string { return `{"status":` + v + `}` }, []string{"1", "2"}, []string{"0", "3"}},
		{issue, "/priority", func(v string) string { return `{"priority":` + v + `}` }, []string{`"0"`, `"1"`, `"2"`, `"3"`}, []string{`"4"`, "1", `""`}},
		{issue, "/biz_order_type", func(v string) string { return `{"biz_order_type":` + v + `}` },
			[]string{"0", "1", "2", "99", `"DELIVERY_ORDER"`, `"1"`}, []string{"1.5", "true", "[]", "{}"}},
		{issue, "/customer_type", func(v string) string { return `{"customer_type":` + v + `}` }, []string{"4", "0", "77"}, []string{`"4"`}},
		{issue, "/scenario_code", func(v string) string { return `{"scenario_code":` + v + `}` }, []string{"110", "1"}, []string{"1.1"}},
	}
	for _, tt := range tests {
		for _, value := range tt.good {
			if _, v := typeOf(t, tt.typ).Check(with(t, tt.typ, tt.more(value)), UnknownReject); v != nil {
				t.Errorf("%s %s %s: %v", tt.typ, tt.pointer, value, v)
			}
		}
		for _, value := range tt.bad {
			_, v := typeOf(t, tt.typ).Check(with(t, tt.typ, tt.more(value)), UnknownReject)
			if v == nil || v.Pointer != tt.pointer {
				t.Errorf("%s %s %s: %v, want it refused there", tt.typ, tt.pointer, value, v)
			}
		}
	}
}

// TestOperateType: 1, 2 and 101 are on the page, 0 is in its sample.
func TestOperateType(t *testing.T) {
	for value, ok := range map[string]bool{"0": true, "1": true, "2": true, "101": true, "3": false} {
		data := with(t, issue, `{}`)
		task := data["work_order_task"].(map[string]any)
		task["structural_replys"].([]any)[0].(map[string]any)["operate_type"] = decode(t, `{"v":`+value+`}`)["v"]
		_, v := typeOf(t, issue).Check(data, UnknownReject)
		if ok != (v == nil) || !ok && v.Pointer != "/work_order_task/structural_replys/0/operate_type" {
			t.Errorf("operate_type %s: %v", value, v)
		}
	}
}

// TestConditions has each rule that the pages state in prose: what is demanded, by what, and what is not.
func TestConditions(t *testing.T) {
	tests := []struct {
		typ, more, pointer string // pointer "" = accepted
	}{
		{logistics, `{"status_code":"pickup_finished","goods_info":"[]"}`, "/pickup_finish_time"},
		{logistics, `{"status_code":"pickup_finished","pickup_finish_time":"2026-03-01 00:00:00"}`, "/goods_info"},
		{logistics, `{"status_code":"pickup_door"}`, "/pickup_door_time"},
		{logistics, `{"status_code":"dispatching"}`, "/delivery_time"},
		{logistics, `{"status_code":"signed"}`, "/sign_time"},
		{logistics, `{"status_code":"assigned"}`, ""},
		{delivery, `{"status":"PACK_FAIL"}`, "/error_code"},
		{delivery, `{"status":"ABNORMAL_DELIVERY"}`, "/error_code"},
		{delivery, `{"status":"PACK_FINISH"}`, ""},
		{delivery, `{"error_code":"OTHER"}`, ""},
		{delivery, `{"package_list":[{"status":"ABNORMAL_DELIVERY"}]}`, ""},
		{delivery, `{"service_fulfil_result":[{"charge_type":"volumeWeight","length":1,"width":1}]}`, "/service_fulfil_result/0/height"},
		{delivery, `{"service_fulfil_result":[{"charge_type":"volumeWeight","length":1,"height":1}]}`, "/service_fulfil_result/0/width"},
		{delivery, `{"service_fulfil_result":[{},{"charge_type":"volumeWeight","width":1,"height":1}]}`, "/service_fulfil_result/1/length"},
		{delivery, `{"service_fulfil_result":[{"charge_type":"volumeWeight","length":0,"width":0,"height":0}]}`, ""},
		{delivery, `{"service_fulfil_result":[{"charge_type":"weight"}]}`, "/service_fulfil_result/0/weight"},
		{delivery, `{"service_fulfil_result":[{"charge_type":"packageNum"}]}`, "/service_fulfil_result/0/package_count"},
		{delivery, `{"service_fulfil_result":[{"charge_type":"itemNum","item_count":null}]}`, "/service_fulfil_result/0/item_count"},
		{delivery, `{"service_fulfil_result":[{"result_fail":true}]}`, ""},
		{delivery, `{"service_fulfil_result":[{"remark":"` + strings.Repeat("木", 100) + `"}]}`, ""},
		{delivery, `{"service_fulfil_result":[{"remark":"` + strings.Repeat("😀", 100) + `"}]}`, ""},
		{delivery, `{"service_fulfil_result":[{"remark":"` + strings.Repeat("a", 101) + `"}]}`, "/service_fulfil_result/0/remark"},
		{logistics, `{"sub_express_codes":[` + strings.Repeat(`"1",`, 998) + `"1"]}`, ""},
		{logistics, `{"sub_express_codes":[` + strings.Repeat(`"1",`, 999) + `"1"]}`, "/sub_express_codes"},
		{issue, `{"work_order_task":{"task_expire_time":"2023-08-23 00:00:00","structural_replys":[],"task_start_time":"2023-08-22 00:00:00"}}`,
			"/work_order_task/structural_replys"},
	}
	for _, tt := range tests {
		_, v := typeOf(t, tt.typ).Check(with(t, tt.typ, tt.more), UnknownReject)
		switch {
		case tt.pointer == "" && v != nil:
			t.Errorf("%s: %v", tt.more, v)
		case tt.pointer != "" && (v == nil || v.Pointer != tt.pointer):
			t.Errorf("%s: %v, want it refused at %s", tt.more, v, tt.pointer)
		}
	}
}

// TestMissing: each required field is demanded, with the pointer that names it.
func TestMissing(t *testing.T) {
	for _, typ := range load(t).Types() {
		for _, f := range typ.Root.Fields {
			data := with(t, typ.Name, `{}`)
			delete(data, f.Name)
			_, v := typ.Check(data, UnknownReject)
			if f.Required && (v == nil || v.Pointer != "/"+f.Name) {
				t.Errorf("%s without %s: %v", typ.Name, f.Name, v)
			}
			if f.Required && v != nil && !strings.HasPrefix(v.Message, "is required") {
				t.Errorf("%s: %s", f.Name, v.Message)
			}
		}
	}
}

func TestViolationSaysTheRule(t *testing.T) {
	tests := map[string]string{
		`{"status":"PACK_FAIL"}`:   "/error_code is required: error_code must be given when status is PACK_FAIL or ABNORMAL_DELIVERY",
		`{"-platform_order_id":0}`: "platform_order_id or ticket_id must be given",
		`{"status":"x"}`:           `/status must be one of PACKAGING, PACK_FINISH, PACK_FAIL, ABNORMAL_DELIVERY, ISSUE_SUCCEEDED`,
		`{"service_fulfil_result":[{"remark":"` + strings.Repeat("a", 101) + `"}]}`: "/service_fulfil_result/0/remark must have at most 100 characters",
	}
	for more, want := range tests {
		_, v := typeOf(t, delivery).Check(with(t, delivery, more), UnknownReject)
		if v == nil || v.Error() != want {
			t.Errorf("%s: %v, want %s", more, v, want)
		}
	}
}
