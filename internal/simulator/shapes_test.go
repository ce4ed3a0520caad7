package simulator

import (
	"net/http"
	"strings"
	"testing"
)

// What each method answers in each shape, to the byte. ID stands for the request id.
func TestShapes(t *testing.T) {
	const xmlStart, xmlEnd = `<?xml version="1.0" encoding="utf-8" ?>`, `<!--top010179031191.s.et2-->`
	cases := []struct {
		name                  string
		draft                 func() *draft
		json, simplified, xml string
	}{
		{
			"update", func() *draft { return update(nil) },
			`{"tmall_servicecenter_workcard_logisticsorder_update_response":{"result":{"success":true},"request_id":"ID"}}`,
			`{"result":{"success":true},"request_id":"ID"}`,
			`<tmall_servicecenter_workcard_logisticsorder_update_response><result><success>true</success></result><request_id>ID</request_id></tmall_servicecenter_workcard_logisticsorder_update_response>`,
		},
		{
			"ovs", func() *draft { return ovs(nil) },
			`{"tmall_ovs_delivery_order_info_send_response":{"result":{"success":true},"request_id":"ID"}}`,
			`{"result":{"success":true},"request_id":"ID"}`,
			`<tmall_ovs_delivery_order_info_send_response><result><success>true</success></result><request_id>ID</request_id></tmall_ovs_delivery_order_info_send_response>`,
		},
		{
			"sync", func() *draft { return syncOrder(nil) },
			`{"logistics_provider_work_order_sync_response":{"work_order_sync_response":{"success":true},"request_id":"ID"}}`,
			`{"work_order_sync_response":{"success":true},"request_id":"ID"}`,
			`<logistics_provider_work_order_sync_response><work_order_sync_response><success>true</success></work_order_sync_response><request_id>ID</request_id></logistics_provider_work_order_sync_response>`,
		},
		{
			"create", func() *draft { return create(nil) },
			`{"tmall_servicecenter_spserviceorder_create_response":{"is_success":true,"service_order_id":9007199254740993,"workcard_ids":{"number":[9107199254740993,9107199254740995]},"request_id":"ID"}}`,
			`{"is_success":true,"service_order_id":9007199254740993,"workcard_ids":[9107199254740993,9107199254740995],"request_id":"ID"}`,
			`<tmall_servicecenter_spserviceorder_create_response><is_success>true</is_success><service_order_id>9007199254740993</service_order_id><workcard_ids><number>9107199254740993</number><number>9107199254740995</number></workcard_ids><request_id>ID</request_id></tmall_servicecenter_spserviceorder_create_response>`,
		},
		{
			"issue", func() *draft { return issue(issueBody) },
			`{"response":{"success":true,"request_id":"ID"}}`,
			`{"success":true,"request_id":"ID"}`,
			`<response><success>true</success><request_id>ID</request_id></response>`,
		},
		{
			"error", func() *draft { return update(map[string]string{"status_code": "-"}) },
			`{"error_response":{"code":40,"msg":"Missing Required Arguments","sub_code":"isv.missing-parameter:status_code","sub_msg":"Missing required argument: status_code","request_id":"ID"}}`,
			`{"error_response":{"code":40,"msg":"Missing Required Arguments","sub_code":"isv.missing-parameter:status_code","sub_msg":"Missing required argument: status_code","request_id":"ID"}}`,
			`<error_response><code>40</code><msg>Missing Required Arguments</msg><sub_code>isv.missing-parameter:status_code</sub_code><sub_msg>Missing required argument: status_code</sub_msg><request_id>ID</request_id></error_response>`,
		},
	}
	for _, test := range cases {
		for _, shape := range []struct {
			name    string
			changes map[string]string
			want    string
			kind    string
		}{
			{"json", map[string]string{"format": "json"}, test.json, "text/javascript;charset=UTF-8"},
			{"simplified", map[string]string{"format": "json", "simplify": "true"}, test.simplified, "text/javascript;charset=UTF-8"},
			{"not simplified", map[string]string{"format": "json", "simplify": "false"}, test.json, "text/javascript;charset=UTF-8"},
			{"xml", map[string]string{"format": "xml"}, xmlStart + test.xml + xmlEnd, "text/xml;charset=UTF-8"},
			{"xml simplified", map[string]string{"format": "xml", "simplify": "true"}, xmlStart + test.xml + xmlEnd, "text/xml;charset=UTF-8"},
			{"default", map[string]string{"format": "-"}, xmlStart + test.xml + xmlEnd, "text/xml;charset=UTF-8"},
		} {
			t.Run(test.name+" "+shape.name, func(t *testing.T) {
				d := test.draft()
				for name, value := range shape.changes {
					d.system[name] = value
				}
				response, body := newRig(t, nil).send(d)
				if got := hideID(body); got != shape.want {
					t.Errorf("%s\nwant %s", got, shape.want)
				}
				if got := response.Header.Get("Content-Type"); got != shape.kind {
					t.Errorf("Content-Type %q, want %q", got, shape.kind)
				}
				if response.Header.Get("Content-Encoding") != "" {
					t.Error("compressed unasked")
				}
			})
		}
	}
}

// Values of every kind, as a fault's business fields bring them.
func TestValuesInReplies(t *testing.T) {
	business := map[string]any{
		"success": false, "error_code": "PARAM/ERROR", "error_msg": "业务<参数>&\"错误\"\x01\r\n\U0001F600",
		"big": int64(9007199254740993), "list": []any{"a", "b"}, "objects": []any{map[string]any{"n": 1}}, "none": nil,
		"empty": []any{}, "flags": []any{true},
	}
	r := newRig(t, nil)
	if err := r.SetFaults([]Fault{{Action: Action{Business: business}}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"json": `{"logistics_provider_work_order_sync_response":{"work_order_sync_response":{"success":false,"big":9007199254740993,"empty":{"string":[]},` +
			`"error_code":"PARAM\/ERROR","error_msg":"业务<参数>&\"错误\"\u0001\r\n` + "\U0001F600" + `","flags":{"boolean":[true]},"list":{"string":["a","b"]},` +
			`"objects":{"object":[{"n":1}]}},"request_id":"ID"}}`,
		"xml": `<?xml version="1.0" encoding="utf-8" ?><logistics_provider_work_order_sync_response><work_order_sync_response><success>false</success>` +
			`<big>9007199254740993</big><empty></empty><error_code>PARAM/ERROR</error_code><error_msg>业务&lt;参数&gt;&amp;&quot;错误&quot;` + "\ufffd&#13;\n\U0001F600" +
			`</error_msg><flags><boolean>true</boolean></flags><list><string>a</string><string>b</string></list><objects><object><n>1</n></object></objects>` +
			`</work_order_sync_response><request_id>ID</request_id></logistics_provider_work_order_sync_response><!--top010179031191.s.et2-->`,
	}
	for format, want := range want {
		if got := r.body(syncOrder(map[string]string{"format": format})); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if _, ok := business["error_msg"].(string); !ok || business["big"] != int64(9007199254740993) {
		t.Error("the caller's fields were changed")
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	var ids requestIDs
	seen := map[string]bool{}
	for range 20_000 {
		id := ids.next()
		if len(id) != 13 || strings.Trim(id, "0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			t.Fatalf("request id %q", id)
		}
		if seen[id] {
			t.Fatalf("request id %s twice", id)
		}
		seen[id] = true
	}
}

func TestGzipOnlyWhenAskedAndOnlyOn200(t *testing.T) {
	cases := []struct {
		name    string
		accept  string
		status  int
		noGzip  bool
		gzipped bool
	}{
		{"asked", "gzip", 0, false, true},
		{"asked among others", "deflate, gzip;q=1.0, *;q=0.5", 0, false, true},
		{"identity", "identity", 0, false, false},
		{"not asked", "", 0, false, false},
		{"switched off", "gzip", 0, true, false},
		{"400", "gzip", 400, false, false},
		{"503", "gzip", 503, false, false},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.NoGzip = test.noGzip })
			if test.status != 0 {
				if err := r.SetFaults([]Fault{{Action: Action{Status: test.status, Body: `{"error_response":{"code":10}}`}}}); err != nil {
					t.Fatal(err)
				}
			}
			d := update(nil)
			if test.accept != "" {
				d.header = http.Header{"Accept-Encoding": {test.accept}}
			}
			response, body := r.send(d)
			if got := response.Header.Get("Content-Encoding") == "gzip"; got != test.gzipped {
				t.Errorf("gzip %v, want %v", got, test.gzipped)
			}
			if !strings.HasPrefix(body, "{") {
				t.Errorf("body %q", body)
			}
		})
	}
}
