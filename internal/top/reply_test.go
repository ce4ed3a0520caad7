package top

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/schemas"
)

// answer reads a body with HTTP status 200 and decides.
func answer(t *schemas.Type, body string) Reply {
	x := &exchange{status: 200}
	x.body.WriteString(body)
	var r Reply
	r.decide(t, x, &MethodOptions{}, time.Date(2026, 3, 1, 12, 0, 0, 0, Zone))
	return r
}

const (
	createOK = `{"tmall_servicecenter_spserviceorder_create_response":{"is_success":true,"display_msg":"","service_order_id":9007199254740993,"workcard_ids":{"number":[9007199254740995,2]},"request_id":"13yki55kbv7ug"}}`
	updateOK = `{"tmall_servicecenter_workcard_logisticsorder_update_response":{"result":{"success":true},"request_id":"r1"}}`
)

func TestReplies(t *testing.T) {
	create, update := typeOf(t, "top.serviceorder.create.v1"), typeOf(t, "top.logisticsorder.status.v1")
	sync, ovs := typeOf(t, "top.workorder.sync.v1"), typeOf(t, "top.deliveryorder.status.v1")
	issue := typeOf(t, "top.workorder.issue.v1")
	n := func(s string) json.Number { return json.Number(s) }

	for _, c := range []struct {
		name string
		typ  *schemas.Type
		body string
		want Reply // but Err
	}{
		// The plain shape.
		{"create: ids are exact, the list is plain", create, createOK, Reply{Class: ClassOK, RequestID: "13yki55kbv7ug",
			Fields: map[string]any{"service_order_id": n("9007199254740993"), "workcard_ids": []any{n("9007199254740995"), n("2")}}}},
		{"create: the list's child has any name", create, `{"x":{"is_success":true,"workcard_ids":{"int64":[1]}}}`,
			Reply{Class: ClassOK, Fields: map[string]any{"workcard_ids": []any{n("1")}}}},
		{"create: an empty list", create, `{"x":{"is_success":true,"workcard_ids":{"number":[]}}}`,
			Reply{Class: ClassOK, Fields: map[string]any{"workcard_ids": []any{}}}},
		{"create: a list that is left empty", create, `{"x":{"is_success":true,"workcard_ids":{},"service_order_id":null}}`, Reply{Class: ClassOK}},
		{"create: ids as text", create, `{"x":{"is_success":true,"service_order_id":"12","workcard_ids":["3",null]}}`,
			Reply{Class: ClassOK, Fields: map[string]any{"service_order_id": n("12"), "workcard_ids": []any{n("3")}}}},
		{"create: refused", create, `{"tmall_servicecenter_spserviceorder_create_response":{"is_success":false,"display_msg":"don&apos;t","request_id":"r"}}`,
			Reply{Class: ClassRejected, Message: "don't", RequestID: "r"}},
		{"update: accepted", update, updateOK, Reply{Class: ClassOK, RequestID: "r1"}},
		{"update: refused", update, `{"tmall_servicecenter_workcard_logisticsorder_update_response":{"result":{"display_msg":"更新失败","msg_code":"12233","success":false},"request_id":"r2"}}`,
			Reply{Class: ClassRejected, Code: "12233", Message: "更新失败", RequestID: "r2"}},
		{"sync: a code beside success is not one", sync, `{"logistics_provider_work_order_sync_response":{"work_order_sync_response":{"success":true,"error_code":"PARAM_ERROR","error_msg":"业务参数错误"},"request_id":"r3"}}`,
			Reply{Class: ClassOK, RequestID: "r3"}},
		{"sync: transient", sync, `{"logistics_provider_work_order_sync_response":{"work_order_sync_response":{"success":false,"error_code":"SYSTEM_ERROR"}}}`,
			Reply{Class: ClassTransient, Code: "SYSTEM_ERROR", Definite: true}},
		{"ovs: transient code as a number", ovs, `{"tmall_ovs_delivery_order_info_send_response":{"result":{"success":false,"fail_code":1100,"fail_message":"系统异常"}}}`,
			Reply{Class: ClassTransient, Code: "1100", Message: "系统异常", Definite: true}},
		{"ovs: success as text", ovs, `{"tmall_ovs_delivery_order_info_send_response":{"result":{"success":"true"}}}`, Reply{Class: ClassOK}},

		// The simplified shape.
		{"create simplified", create, `{"is_success":true,"service_order_id":1,"workcard_ids":[1,2],"request_id":"s1"}`,
			Reply{Class: ClassOK, RequestID: "s1", Fields: map[string]any{"service_order_id": n("1"), "workcard_ids": []any{n("1"), n("2")}}}},
		{"sync simplified", sync, `{"work_order_sync_response":{"success":false,"error_code":"A"},"request_id":"s2"}`,
			Reply{Class: ClassRejected, Code: "A", RequestID: "s2"}},
		{"update simplified", update, `{"result":{"success":true},"request_id":"s3"}`, Reply{Class: ClassOK, RequestID: "s3"}},

		// Errors of the platform.
		{"error", update, `{"error_response":{"code":15,"msg":"Remote service error","sub_code":"isv.invalid-parameter","sub_msg":"非法参数","request_id":"e1"}}`,
			Reply{Class: ClassRejected, Code: "15", SubCode: "isv.invalid-parameter", Message: "Remote service error: 非法参数", RequestID: "e1"}},
		{"error with its code as text", update, `{"error_response":{"code":"25","msg":"Invalid signature"}}`,
			Reply{Class: ClassMisconfigured, Scope: ScopeAppKey, Code: "25", Message: "Invalid signature", NothingRan: true}},
		{"ban", update, `{"error_response":{"code":7,"msg":"App Call Limited","sub_code":"accesscontrol.limited-by-api-access-count","sub_msg":"This ban will last for 3 more seconds"}}`,
			Reply{Class: ClassThrottled, Scope: ScopeMethod, Code: "7", SubCode: "accesscontrol.limited-by-api-access-count",
				Message: "App Call Limited: This ban will last for 3 more seconds", Wait: 3 * time.Second, NothingRan: true}},
		{"error beside a success", update, `{"error_response":{"code":10},"result":{"success":true}}`, Reply{Class: ClassTransient, Code: "10"}},

		// What is odd, and still an answer.
		{"escaped slashes, byte order mark, blanks", update, "\uFEFF \n{\"a\\/b\":1,\"result\":{\"success\":true}} \r\n", Reply{Class: ClassOK}},
		{"named twice: the last one", update, `{"result":{"success":false,"success":true}}`, Reply{Class: ClassOK}},
		{"GBK text in a message", update, "{\"result\":{\"success\":false,\"msg_code\":\"7\",\"display_msg\":\"\xb8\xfc\xd0\xc2\"}}",
			Reply{Class: ClassRejected, Code: "7", Message: "\uFFFD\uFFFD\uFFFD\uFFFD"}},
		{"deep but well formed", update, `{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `,"result":{"success":true}}`, Reply{Class: ClassOK}},
		{"many values before the answer", update, `{"x":[` + strings.Repeat("1,", 100_000) + `1],"result":{"success":true}}`, Reply{Class: ClassOK}},
		{"a number beyond all", create, `{"is_success":true,"service_order_id":1e999999}`, Reply{Class: ClassOK, Fields: map[string]any{"service_order_id": n("1e999999")}}},

		// No answer.
		{"empty", update, "", Reply{Class: ClassTransient}},
		{"blank", update, " \n", Reply{Class: ClassTransient}},
		{"page", update, "<html><body>502</body></html>", Reply{Class: ClassTransient}},
		{"XML in place of JSON", update, `<?xml version="1.0"?><x_response><result><success>true</success></result></x_response>`, Reply{Class: ClassTransient}},
		{"truncated", update, updateOK[:len(updateOK)-1], Reply{Class: ClassTransient}},
		{"text after the end", update, updateOK + "}", Reply{Class: ClassTransient}},
		{"a list", update, `[{"success":true}]`, Reply{Class: ClassTransient}},
		{"a text", update, `"success"`, Reply{Class: ClassTransient}},
		{"an empty object", update, `{}`, Reply{Class: ClassTransient}},
		{"no success field", update, `{"tmall_servicecenter_workcard_logisticsorder_update_response":{"result":{"msg_code":"1"}}}`, Reply{Class: ClassTransient}},
		{"success is null", update, `{"result":{"success":null}}`, Reply{Class: ClassTransient}},
		{"success is a number", update, `{"result":{"success":1}}`, Reply{Class: ClassTransient}},
		{"result is a list", update, `{"result":[{"success":true}]}`, Reply{Class: ClassTransient}},
		{"error that is text", update, `{"error_response":"busy"}`, Reply{Class: ClassTransient}},
		{"error without a code", update, `{"error_response":{"msg":"busy"}}`, Reply{Class: ClassTransient}},
		{"nested too deep", update, strings.Repeat(`{"a":`, 20_000), Reply{Class: ClassTransient}},
		{"the other gateway's error", update, `{"errcode":22,"errmsg":"Invalid method"}`, Reply{Class: ClassTransient}},

		// Qimen.
		{"qimen: accepted", issue, `<?xml version="1.0" encoding="utf-8" ?><response><success>true</success></response><!--top010179031191.s.et2-->`, Reply{Class: ClassOK}},
		{"qimen: the page's sample", issue, "<response>\n <biz_error_msg>参数不合法</biz_error_msg>\n <success>true</success>\n <biz_error_code>PARAM_ERROR</biz_error_code>\n</response>", Reply{Class: ClassOK}},
		{"qimen: refused", issue, `<response><success>false</success><biz_error_code>PARAM_ERROR</biz_error_code><biz_error_msg>a&amp;b</biz_error_msg><request_id>q1</request_id></response>`,
			Reply{Class: ClassRejected, Code: "PARAM_ERROR", Message: "a&b", RequestID: "q1"}},
		{"qimen: bad sign at the provider", issue, `<response><success>false</success><biz_error_code>sign-check-failure</biz_error_code><biz_error_msg>Illegal request</biz_error_msg></response>`,
			Reply{Class: ClassMisconfigured, Scope: ScopeAppKeyMethod, Code: "sign-check-failure", Message: "Illegal request"}},
		{"qimen: JSON", issue, `{"response":{"success":true,"request_id":"q2"}}`, Reply{Class: ClassOK, RequestID: "q2"}},
		{"qimen: bare JSON", issue, `{"success":false,"biz_error_code":"X"}`, Reply{Class: ClassRejected, Code: "X"}},
		{"qimen: TOP's root", issue, `{"qimen_taobao_logistics_work_order_issue_response":{"success":true}}`, Reply{Class: ClassOK}},
		{"qimen: platform error", issue, `<?xml version="1.0" encoding="utf-8" ?><error_response><code>25</code><msg>Invalid signature</msg><request_id>q3</request_id></error_response>`,
			Reply{Class: ClassMisconfigured, Scope: ScopeAppKey, Code: "25", Message: "Invalid signature", RequestID: "q3", NothingRan: true}},
		{"qimen: platform error in JSON", issue, `{"error_response":{"code":27,"msg":"Invalid session"}}`,
			Reply{Class: ClassSession, Scope: ScopeAccount, Immediate: true, Code: "27", Message: "Invalid session", NothingRan: true}},
		{"qimen: flag failure", issue, `<response><flag>failure</flag><code>15</code><message>Remote service error</message><sub_code>isp.remote-service-timeout</sub_code><sub_message>time-out</sub_message><request_id>q4</request_id></response>`,
			Reply{Class: ClassTransient, Code: "15", SubCode: "isp.remote-service-timeout", Message: "Remote service error: time-out", RequestID: "q4"}},
		{"qimen: flag failure in JSON", issue, `{"response":{"flag":"failure","code":"7","message":"App Call Limited","sub_code":"accesscontrol.limited-by-app-api-access-count","sub_message":"This ban will last for 2 more seconds"}}`,
			Reply{Class: ClassThrottled, Scope: ScopeAppKeyMethod, Code: "7", SubCode: "accesscontrol.limited-by-app-api-access-count",
				Message: "App Call Limited: This ban will last for 2 more seconds", Wait: 2 * time.Second, NothingRan: true}},
		{"qimen: flag failure with sign-check-failure", issue, `<response><flag>failure</flag><sub_code>sign-check-failure</sub_code><sub_message>Illegal request</sub_message></response>`,
			Reply{Class: ClassMisconfigured, Scope: ScopeAppKeyMethod, SubCode: "sign-check-failure", Message: "Illegal request", NothingRan: true}},
		{"qimen: flag failure with words of the business", issue, `<response><flag>failure</flag><code>S003</code><message>no such order</message></response>`,
			Reply{Class: ClassRejected, Code: "S003", Message: "no such order"}},
		{"qimen: flag success alone is no success", issue, `<response><flag>success</flag><code>0</code></response>`, Reply{Class: ClassTransient}},
		{"qimen: a page", issue, `<html><head><title>login</title></head><body/></html>`, Reply{Class: ClassTransient}},
		{"qimen: a page that is no XML", issue, `<!DOCTYPE html><html><br></html>`, Reply{Class: ClassTransient}},
		{"qimen: entities", issue, `<!DOCTYPE r [<!ENTITY a "true">]><response><success>&a;</success></response>`, Reply{Class: ClassTransient}},
		{"qimen: another charset", issue, `<?xml version="1.0" encoding="GBK"?><response><success>true</success></response>`, Reply{Class: ClassTransient}},
		{"qimen: two documents", issue, `<response><success>true</success></response><response/>`, Reply{Class: ClassTransient}},
		{"qimen: text after the end", issue, `<response><success>true</success></response>x`, Reply{Class: ClassTransient}},
		{"qimen: success twice", issue, `<response><success>true</success><success>true</success></response>`, Reply{Class: ClassTransient}},
		{"qimen: truncated", issue, `<response><success>true</success>`, Reply{Class: ClassTransient}},
		{"qimen: nested too deep", issue, strings.Repeat("<a>", 100_000), Reply{Class: ClassTransient}},
		{"qimen: neither", issue, `OK`, Reply{Class: ClassTransient}},
	} {
		t.Run(c.name, func(t *testing.T) {
			typ := withRepeatable(c.typ, true)
			got := answer(typ, c.body)
			if (got.Err != nil) != (got.Class == ClassTransient && got.Code == "") {
				t.Errorf("error %v with class %s", got.Err, got.Class)
			}
			got.Err, got.Status, got.Advice = nil, 0, "" // see TestAdviceOfReplies
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("reply %+v, want %+v", got, c.want)
			}
			if c.want.Class == ClassTransient {
				if other := answer(withRepeatable(c.typ, false), c.body); other.Class != ClassAmbiguous {
					t.Errorf("not repeatable: class %s", other.Class)
				}
			}
		})
	}
}

// TestFieldsOfXML reads typed fields from a reply that has text only.
func TestFieldsOfXML(t *testing.T) {
	typ := &schemas.Type{Method: "x", Encoding: schemas.EncodingQimenXML, Reply: schemas.Reply{
		Success: []string{"success"},
		Fields: []schemas.ReplyField{
			{Name: "one", Path: []string{"ids"}, Kind: schemas.KindNumber, List: true},
			{Name: "many", Path: []string{"a", "names"}, Kind: schemas.KindString, List: true},
			{Name: "none", Path: []string{"none"}, Kind: schemas.KindNumber, List: true},
			{Name: "is", Path: []string{"is"}, Kind: schemas.KindBoolean},
			{Name: "is_not", Path: []string{"is_not"}, Kind: schemas.KindBoolean},
			{Name: "n", Path: []string{"n"}, Kind: schemas.KindNumber},
		}}}
	got := answer(typ, `<r><success>true</success><ids><number>7</number></ids><a><names><string>x</string><string>y</string></names></a>`+
		`<none></none><is>false</is><is_not>maybe</is_not><n>x</n></r>`)
	want := map[string]any{"one": []any{json.Number("7")}, "many": []any{"x", "y"}, "is": false, "is_not": "maybe", "n": "x"}
	if got.Class != ClassOK || !reflect.DeepEqual(got.Fields, want) {
		t.Errorf("class %s, fields %#v, want %#v", got.Class, got.Fields, want)
	}
}

func TestTextsAreBounded(t *testing.T) {
	long := strings.Repeat("更", 100_000)
	r := answer(typeOf(t, "top.logisticsorder.status.v1"), `{"error_response":{"code":41,"sub_code":"`+long+`","msg":"`+long+`","request_id":"`+long+`"}}`)
	if r.Class != ClassRejected || len(r.Message) > maxMessage || len(r.SubCode) > maxShort || len(r.RequestID) > maxShort {
		t.Errorf("class %s; lengths %d %d %d", r.Class, len(r.Message), len(r.SubCode), len(r.RequestID))
	}
	if strings.ContainsRune(r.Message, '\uFFFD') {
		t.Error("a character was cut in two")
	}
}

// extent counts the values of a tree and its levels.
func extent(tree any) (nodes, depth int) {
	var below []any
	switch v := tree.(type) {
	case map[string]any:
		below = slices.Collect(maps.Values(v))
	case []any:
		below = v
	}
	for _, each := range below {
		n, d := extent(each)
		nodes, depth = nodes+n, max(depth, d)
	}
	return nodes + 1, depth + 1
}

// TestTreeIsBounded feeds what would become millions of values.
func TestTreeIsBounded(t *testing.T) {
	many := func(member func(i int) string) string {
		var members []string
		for i := range 4000 {
			members = append(members, member(i))
		}
		return "{" + strings.Join(members, ",") + "}"
	}
	var d replyDecoder
	for name, body := range map[string]string{
		"values":  `{"a":[` + strings.Repeat("0,", 1_000_000) + `0],"b":1}`,
		"objects": `{"a":[` + strings.Repeat(`{"x":0},`, 300_000) + `{}]}`,
		"depth":   strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000),
		"lists":   `{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + "}",
		"members": `{` + strings.Repeat(`"a":{"b":[{},{},{},{}],"c":[[],[],[]]},`, 10_000) + `"z":` + many(func(i int) string {
			return fmt.Sprintf(`"%d":{"a":[1,2,3,4,5,6,7,8]}`, i)
		}) + `}`,
		"names":   many(func(i int) string { return fmt.Sprintf(`"%d%s":0`, i, strings.Repeat("n", 1000)) }),
		"texts":   many(func(i int) string { return fmt.Sprintf(`"%d":"%s"`, i, strings.Repeat("t", 1000)) }),
		"numbers": many(func(i int) string { return fmt.Sprintf(`"%d":1%s`, i, strings.Repeat("0", 1000)) }),
	} {
		tree, err := d.readJSON(bytes.NewBufferString(body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if kept, _ := json.Marshal(tree); len(kept) > maxTreeText+maxTreeNodes*20 {
			t.Errorf("%s: %d bytes are kept", name, len(kept))
		}
		if nodes, depth := extent(tree); nodes > maxTreeNodes || depth > maxTreeDepth+2 { // the root, and the nil of what is left out
			t.Errorf("%s: %d values are kept, %d deep", name, nodes, depth)
		}
	}
	tree, err := d.readXML(bytes.NewBufferString("<r>" + strings.Repeat("<a>text</a>", 200_000) + "</r>"))
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := at(tree, "r", "a").([]any); len(list) == 0 || len(list) > maxTreeNodes {
		t.Errorf("%d elements are kept", len(list))
	}
}
