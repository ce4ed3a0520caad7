package schemas

import (
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/redact"
)

// TestMarks: the fields of protocol section 8.3 are marked with their kind, and no others.
func TestMarks(t *testing.T) {
	want := map[string]string{
		logistics: `comment:text express_code:text courier_mobile:mobile courier_name:name got_code:text sub_express_codes:text extend_info:text`,
		delivery: `open_user_id:text mail_no:text end_mail_no:text exception_desc:text package_list.origin_package_mail_nos:text
			package_list.mail_no:text service_fulfil_result.pic_urls:text service_fulfil_result.remark:text service_fulfil_result.fail_msg:text`,
		sync1: `structural_reply.reply_supplements.field_value:text biz_order_code:text extension:text`,
		issue: `extension:text attachments:text description:text biz_order_code:text
			work_order_task.structural_replys.reply_supplements.reply_supplement.field_value:text work_order_task.description:text
			work_order_task.attachments:text customer_name:name goods_infos.goods_info.goods_pic_url:text
			goods_infos.goods_info.return_goods_amount:text goods_infos.goods_info.actual_payment_amount:text`,
		create: `buyer.address_province:address buyer.address_city:address buyer.address_district:address buyer.address_town:address
			buyer.address_detail:address buyer.full_address:address buyer.location:address buyer.buyer_name:name buyer.mobile:mobile
			reservation.reserve_time_start:text reservation.reserve_time_end:text ext_json:text memo:text`,
	}
	for name, marks := range want {
		var got []string
		var walk func(path string, f *Field)
		walk = func(path string, f *Field) {
			if f.Kind == KindList && f.Item.Kind == KindObject {
				f = f.Item
			}
			if f.Kind == KindObject {
				for _, child := range f.Fields {
					walk(strings.TrimPrefix(path+"."+child.Name, "."), child)
				}
				return
			}
			if f.PII != "" {
				got = append(got, path+":"+f.PII)
			}
		}
		walk("", typeOf(t, name).Root)
		if !slices.Equal(got, strings.Fields(marks)) {
			t.Errorf("%s marks\n%s", name, strings.Join(got, " "))
		}
	}
}

func TestSensitive(t *testing.T) {
	tests := []struct {
		name, typ, data string
		want            []string
	}{
		{"marked fields", logistics, `{"courier_name":"李小四","courier_mobile":"13100000000","express_company":"云帆速运","sub_express_codes":["S1","S2"],
			"logistics_order_id":1,"comment":" "}`, []string{"李小四", "13100000000", "S1", "S2"}},
		{"numbers", create, `{"buyer":{"location":3500,"buyer_name":null}}`, []string{"3500"}},
		{"handed down", create, `{"reservation":{"reserve_time_start":"2026-03-05 09:00:00"}}`, []string{"2026-03-05 09:00:00"}},
		{"unknown fields", create, `{"phone":"0571-0000000","buyer":{"nick":"小五","tags":["a",{"b":"c"}]},"x":7}`, []string{"0571-0000000", "小五", "a", "c", "7"}},
		{"marked Json", create, `{"ext_json":{"contact":{"name":"王小五"}},"service_properties":{"品牌":"海星"}}`, []string{"王小五"}},
		{"text inside a marked text", sync1, `{"extension":"{\"contact\":\"周小七\"}"}`, []string{`{"contact":"周小七"}`, "周小七"}},
		{"a text for a struct", create, `{"buyer":"{\"mobile\":\"13000000000\"}"}`, []string{`{"mobile":"13000000000"}`, "13000000000"}},
		{"a struct for a text", logistics, `{"status_code":{"mobile":"13000000000"},"courier_name":["a"]}`, []string{"13000000000", "a"}},
		{"in lists", delivery, `{"service_fulfil_result":[{"remark":"r1"},{"fail_msg":"m2","service_code":"AS"}]}`, []string{"r1", "m2"}},
		{"nothing", delivery, `{}`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := typeOf(t, tt.typ).Sensitive(decode(t, tt.data))
			slices.Sort(got)
			slices.Sort(tt.want)
			if !slices.Equal(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// An echo of the platform is masked with it.
func TestSensitiveMasksAnEcho(t *testing.T) {
	typ := typeOf(t, create)
	data := with(t, create, `{"memo":"放<门>口"}`)
	got := redact.Text("买家 王五 (13000000000) 备注 放&lt;门&gt;口 不存在", typ.Sensitive(data))
	if got != "买家 *** (***) 备注 *** 不存在" {
		t.Errorf("masked %q", got)
	}
}

func TestMask(t *testing.T) {
	typ := typeOf(t, create)
	tests := []struct{ name, data, want string }{
		{"by kind", `{"buyer":{"buyer_name":"陈小平","mobile":"13012345623","address_detail":"白虎路12-3","location":3500},"memo":"放门口","source":"JD","service_count":1}`,
			`{"buyer":{"address_detail":"白虎路*-*","buyer_name":"陈*平","location":"***","mobile":"13*******23"},"memo":"***","service_count":1,"source":"JD"}`},
		{"unknown fields", `{"phone":"1","buyer":{"nick":["小五",7,true,null]}}`, `{"buyer":{"nick":["***","***",true,null]},"phone":"***"}`},
		{"a number where none is expected", `{"service_content":"挂装,电话13012345623"}`, `{"service_content":"挂装,电话13*******23"}`},
		{"Json", `{"ext_json":{"a":[1,"b"]},"service_properties":{"品牌":"海星","n":1}}`, `{"ext_json":{"a":["***","***"]},"service_properties":{"n":1,"品牌":"海星"}}`},
		{"a text for a struct", `{"buyer":"{\"mobile\":\"13000000000\"}"}`, `{"buyer":"***"}`},
		{"blank stays", `{"memo":" "}`, `{"memo":" "}`},
	}
	for _, tt := range tests {
		data := decode(t, tt.data)
		before := canonicalText(data)
		if got := canonicalText(typ.Mask(data)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		if canonicalText(data) != before {
			t.Errorf("%s: data was changed", tt.name)
		}
	}
	if got := canonicalText(typ.Mask([]any{"13000000000", decode(t, `{"mobile":"x"}`)})); got != `["***",{"mobile":"***"}]` {
		t.Errorf("what is no object: %s", got)
	}
}

// Nothing that is marked is left after masking, in any example.
func TestMaskLeavesNothing(t *testing.T) {
	c := load(t)
	examples, err := Examples()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		typ, _ := c.Type(e.Type)
		data, is := decode(t, string(e.Event))["data"].(map[string]any)
		if !is {
			continue
		}
		shown := canonicalText(typ.Mask(data))
		for _, secret := range typ.Sensitive(data) {
			if len([]rune(secret)) > 3 && strings.Contains(shown, secret) {
				t.Errorf("%s/%s still shows a marked value of %d bytes", e.Type, e.Name, len(secret))
			}
		}
	}
}
