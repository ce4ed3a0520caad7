package simulator

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestArguments(t *testing.T) {
	order := func(d *draft, from, to string) *draft {
		for name, value := range d.params {
			d.params[name] = strings.Replace(value, from, to, 1)
		}
		return d
	}
	xml := func(from, to string) *draft { return issue(strings.Replace(issueBody, from, to, 1)) }
	cases := []struct {
		name  string
		draft *draft
		want  string // "" = accepted, else the sub_code
	}{
		{"comma-joined list", update(map[string]string{"sub_express_codes": "1,2,3"}), ""},
		{"unknown parameter", update(map[string]string{"not_there": "1"}), ""},
		{"blank optional number", update(map[string]string{"weight": " "}), ""},
		{"blank required text", update(map[string]string{"status_code": ""}), "isv.missing-parameter:status_code"},
		{"decimal", update(map[string]string{"weight": "22.0"}), "isv.invalid-parameter:weight"},
		{"exponent", update(map[string]string{"weight": "1E3"}), "isv.invalid-parameter:weight"},
		{"beyond 64 bits", update(map[string]string{"weight": "9223372036854775808"}), "isv.invalid-parameter:weight"},
		{"smallest integer", update(map[string]string{"weight": "-9223372036854775808"}), ""},
		{"beyond 2^53", update(map[string]string{"logistics_order_id": "9007199254740993"}), ""},
		{"number with a plus", update(map[string]string{"weight": "+1"}), "isv.invalid-parameter:weight"},
		{"number with a zero", update(map[string]string{"weight": "01"}), "isv.invalid-parameter:weight"},
		{"Boolean as a number", update(map[string]string{"new_logistics": "1"}), "isv.invalid-parameter:new_logistics"},
		{"Boolean", update(map[string]string{"new_logistics": "false"}), ""},
		{"condition not met", update(map[string]string{"status_code": "signed"}), "isv.missing-parameter:sign_time"},
		{"condition met", update(map[string]string{"status_code": "signed", "sign_time": "2026-03-01 10:00:00"}), ""},
		{"date of publishers", update(map[string]string{"sign_time": "2026-03-01T10:00:00+08:00"}), "isv.invalid-parameter:sign_time"},
		{"impossible date", update(map[string]string{"sign_time": "2026-02-30 10:00:00"}), "isv.invalid-parameter:sign_time"},
		{"not in the list of values", update(map[string]string{"status_code": "SIGNED"}), "isv.invalid-parameter:status_code"},

		{"struct with null and text number", create(nil), ""},
		{"Json that is no JSON", create(map[string]string{"service_properties": "a"}), "isv.invalid-parameter:service_properties"},
		{"struct that is no JSON", create(map[string]string{"buyer": "{"}), "isv.invalid-parameter:buyer"},
		{"struct that is a list", create(map[string]string{"buyer": "[]"}), "isv.invalid-parameter:buyer"},
		{"struct that is null", create(map[string]string{"buyer": "null"}), "isv.invalid-parameter:buyer"},
		{"struct and more", create(map[string]string{"buyer": `{"buyer_name":"x","mobile":"1"} {}`}), "isv.invalid-parameter:buyer"},
		{"struct with a name twice", create(map[string]string{"buyer": `{"buyer_name":"x","buyer_name":"y","mobile":"1"}`}), "isv.invalid-parameter:buyer"},
		{"field of a struct missing", create(map[string]string{"buyer": `{"buyer_name":"x"}`}), "isv.missing-parameter:buyer.mobile"},
		{"field of a struct null", create(map[string]string{"buyer": `{"buyer_name":"x","mobile":null}`}), "isv.missing-parameter:buyer.mobile"},
		{"field of a struct wrong", create(map[string]string{"buyer": `{"buyer_name":1,"mobile":"1"}`}), "isv.invalid-parameter:buyer.buyer_name"},
		{"unknown field of a struct", create(map[string]string{"buyer": `{"buyer_name":"x","mobile":"1","x":{"y":[1]}}`}), ""},

		{"no struct", syncOrder(map[string]string{"work_order_sync_request": "-"}), "isv.missing-parameter:work_order_sync_request"},
		{"blank struct", ovs(map[string]string{"param": " "}), "isv.missing-parameter:param"},
		{"escaped JSON as PHP and Java write it", order(syncOrder(nil), `"催派送"`, `"\u50ac\/\u6d3e"`), ""},
		{"idempotent id missing", order(syncOrder(nil), `,"idempotent_id":"idem-1"`, ""), "isv.missing-parameter:idempotent_id"},
		{"idempotent id blank", order(syncOrder(nil), `"idem-1"`, `""`), "isv.invalid-parameter:idempotent_id"},
		{"nested list wrong", order(syncOrder(nil), `"extension":null`, `"structural_reply":{"reply_supplements":[{"field_name":"a"},{"field_name":7}]}`), "isv.invalid-parameter:structural_reply.reply_supplements.1.field_name"},
		{"nested list wrapped", order(syncOrder(nil), `"extension":null`, `"structural_reply":{"reply_supplements":{"reply_supplement":[{"field_name":"a"}]}}`), ""},
		{"neither of two keys", ovs(map[string]string{"param": `{"status":"PACKAGING"}`}), "isv.invalid-parameter"},
		{"lists of texts", ovs(map[string]string{"param": `{"ticket_id":"T","package_list":[{"origin_package_mail_nos":["1","2"]}]}`}), ""},

		{"issue", issue(issueBody), ""},
		{"issue with both roots", issue(strings.NewReplacer("<request>", "<response><request>", "</request>", "</request></response>").Replace(issueBody)), ""},
		{"issue with root response", issue(strings.NewReplacer("<request>", "<response>", "</request>", "</response>").Replace(issueBody)), ""},
		{"issue with another root", issue(strings.NewReplacer("<request>", "<order>", "</request>", "</order>").Replace(issueBody)), "isv.invalid-parameter:request"},
		{"items of any name", issue(strings.ReplaceAll(issueBody, "reply_supplementItem>", "ReplySupplement>")), ""},
		{"items without a wrapper", issue(strings.NewReplacer("<structural_replysItem>", "", "</structural_replysItem>", "").Replace(issueBody)), ""},
		{"repeated elements", xml("<status>", "<attachments>a</attachments><attachments>b</attachments><status>"), ""},
		{"text as the only item", xml("<status>", "<attachments>http://x</attachments><status>"), ""},
		{"wrapped texts", xml("<status>", "<attachments><string>a</string><string/></attachments><status>"), ""},
		{"empty list", xml("<status>", "<attachments></attachments><status>"), ""},
		{"an element twice", xml("<status>1</status>", "<status>1</status><status>1</status>"), "isv.invalid-parameter:status"},
		{"missing element", xml("<status>1</status>", ""), "isv.missing-parameter:status"},
		{"wrong number", xml("<reply_value>101<", "<reply_value>1x<"), "isv.invalid-parameter:work_order_task.structural_replys.0.reply_value"},
		{"missing below a list", xml("<field_label>l</field_label>", ""), "isv.missing-parameter:work_order_task.structural_replys.0.reply_supplements.reply_supplement.0.field_label"},
		{"element in a text", xml("<category>c", "<category><b>c</b>"), "isv.invalid-parameter:category"},
		{"text in a struct", xml("<work_order_task>", "<x/><work_order_task>y</work_order_task><work_order_task>"), "isv.invalid-parameter:work_order_task"},
		{"unknown element", xml("<category>", "<unknown><a>1</a></unknown><category>"), ""},
		{"CDATA and comment", xml("<category>c", "<category><!-- x --><![CDATA[a<b]]>"), ""},
		{"byte order mark", issue("\ufeff" + issueBody), ""},
		{"document type", issue(strings.Replace(issueBody, "<request>", `<!DOCTYPE r [<!ENTITY a "b">]><request>`, 1)), "isv.invalid-parameter:request"},
		{"unknown entity", xml("<category>c", "<category>&a;"), "isv.invalid-parameter:request"},
		{"GBK", issue(strings.Replace(issueBody, "UTF-8", "GBK", 1)), "isv.invalid-parameter:request"},
		{"two documents", issue(issueBody + "<request></request>"), "isv.invalid-parameter:request"},
		{"not closed", issue(strings.TrimSuffix(issueBody, "</request>")), "isv.invalid-parameter:request"},
		{"deep", issue(strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000)), "isv.invalid-parameter:request"},
		{"text outside", issue(issueBody + "x"), "isv.invalid-parameter:request"},
		{"not XML", issue("hello"), "isv.invalid-parameter:request"},
		{"no body", issue(""), "isv.missing-parameter:request"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			body := newRig(t, nil).body(test.draft)
			if test.want == "" {
				if !strings.Contains(body, `success":true`) {
					t.Errorf("reply %s, want success", body)
				}
				return
			}
			code := 41
			if strings.HasPrefix(test.want, "isv.missing") {
				code = 40
			}
			wantCode(t, body, code, test.want)
		})
	}
}

// JSON bodies of Qimen: with and without the member request, lists as arrays or wrapped.
func TestQimenJSON(t *testing.T) {
	r := newRig(t, nil)
	c := &call{api: r.apis[methodIssue], body: issueBody}
	data, refusal := c.decodeArguments()
	if refusal != nil {
		t.Fatal(refusal)
	}
	bare, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	wrappedList := strings.Replace(string(bare), `"structural_replys":[`, `"structural_replys":{"structural_replysItem":[`, 1)
	wrappedList = strings.Replace(wrappedList, `}],"task_expire_time"`, `}]},"task_expire_time"`, 1)
	if wrappedList == string(bare) || !json.Valid([]byte(wrappedList)) {
		t.Fatal(wrappedList)
	}
	for name, body := range map[string]string{
		"bare": string(bare), "in request": `{"request":` + string(bare) + `}`, "wrapped list": wrappedList,
	} {
		t.Run(name, func(t *testing.T) {
			d := issue(body)
			d.contentType = "application/json;charset=utf-8"
			if reply := r.body(d); !strings.Contains(reply, `"success":true`) {
				t.Error(reply)
			}
			c := &call{api: r.apis[methodIssue], body: body}
			again, refusal := c.decodeArguments()
			if refusal != nil {
				t.Fatal(refusal)
			}
			text, err := json.Marshal(again)
			if err != nil || string(text) != string(bare) {
				t.Errorf("%s\nwant %s", text, bare)
			}
		})
	}
}

// In a form the document is the field request, and the body is not signed a second time.
func TestQimenForm(t *testing.T) {
	r := newRig(t, nil)
	d := issue("")
	d.params = map[string]string{"request": issueBody}
	d.contentType = "application/x-www-form-urlencoded"
	if reply := r.body(d); !strings.Contains(reply, `"success":true`) {
		t.Error(reply)
	}
}

func TestKeys(t *testing.T) {
	cases := []struct {
		draft *draft
		key   string
	}{
		{update(nil), "222233333"},
		{ovs(nil), "PO1"},
		{ovs(map[string]string{"param": `{"ticket_id":"T1"}`}), "T1"},
		{syncOrder(nil), "P1"},
		{create(nil), "2:JD8:test1234"},
		{issue(issueBody), "LW1"},
	}
	r := newRig(t, nil)
	for _, test := range cases {
		r.send(test.draft)
		if got := r.lastCall().Key; got != test.key {
			t.Errorf("%s: key %q, want %q", r.lastCall().Method, got, test.key)
		}
	}
}

func TestSplitParts(t *testing.T) {
	for key, want := range map[string]string{
		"2:JD8:test1234": "JD|test1234", "0:1:a": "|a", "": "", "222": "", "2:J": "", "9223372036854775808:x": "", "-1:x": "", "1:ab": "",
	} {
		if got := strings.Join(splitParts(key), "|"); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
