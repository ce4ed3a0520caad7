package main

import (
	"fmt"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

const (
	benchAppKey  = "12345678"
	benchSecret  = "bench-secret-not-real"
	benchSession = "bench-session-not-real"

	sampleEvents = 10_000 // distinct calls of the raw loop
	sampleKeys   = 2_000
)

// template is an event of one repeatable type: about 400 bytes of data as a WMS sends it. The verbs are the number of the
// event, which makes it distinct, and its key.
type template struct {
	typ, key, data string
}

var templates = []template{
	{"top.logisticsorder.status.v1", "%d", `{"logistics_order_id":%[2]d,"status_code":"pickup_finished","express_code":"SF%011[1]d","express_company":"顺丰快递","courier_name":"测试小件员","courier_mobile":"13000000000","got_code":"2333","volume":1000000,"weight":2300,"cost":2200,"goods_info":"[{\"name\":\"上衣\",\"count\":1},{\"name\":\"裤子\",\"count\":2}]","pickup_finish_time":"2026-11-25 09:05:00","new_logistics":true,"sub_express_codes":["2233332222","2233332223"]}`},
	{"top.deliveryorder.status.v1", "OV%d", `{"platform_order_id":"OV%[2]d","status":"ISSUE_SUCCEEDED","mail_no":"YT%011[1]d","mail_company":"圆通","length":45,"width":64,"height":34,"weight":2300,"goods_list":[{"sku_name":"测试商品","quantity":3,"sku_code":"535253252","length":32,"width":32,"height":44,"weight":120}],"package_list":[{"outer_package_id":"P%[1]d","origin_package_mail_nos":["SF1","YT2"],"mail_no":"756444","length":20,"width":20,"height":20,"weight":1000,"status":"ISSUE_SUCCEEDED"}],"other_fee":2040}`},
	{"top.workorder.sync.v1", "WS%d", `{"provider_order_create_time":"2026-11-25 09:00:00","provider_order_code":"WS%[2]d","tt_logistics_order_type":1,"provider_order_update_time":"2026-11-25 09:10:00","provider_order_customer_type":1,"structural_reply":{"reply_supplements":[{"field_name":"pickupDate","field_value":"2026-11-26 10:00:00"}],"reply_value":1},"service_code":"催派送","tt_logistics_order_code":"LW%[1]d","provider_order_type":1,"biz_order_code":"B%[1]d","biz_order_type":1,"idempotent_id":"idem-%[1]d"}`},
	{"top.workorder.issue.v1", "LW%d", `{"customer_type":4,"work_order_code":"LW%[2]d","category_code":"BEFORE-TIMEOUT","description":"上门取件前-超时催上门取件 %[1]d","biz_order_code":"B%[1]d","work_order_type":1,"work_order_task":{"task_expire_time":"2026-11-26 00:00:00","structural_replys":[{"reply_supplements":{"reply_supplement":[{"field_label":"网点联系人","field_name":"contactName","field_type":"string","require":true,"field_value":"张三"}]},"reply_value":101,"reply_label":"已派单待取件"}],"task_start_time":"2026-11-25 00:00:00"},"start_time":"2026-11-25 00:00:00","customer_name":"淘天物流","category":"上门取件前","status":1,"scenario_code":110,"biz_order_type":1}`},
}

// sample is event n of a run, of key number key. Types take turns by key, so that one key is of one type.
func sample(n, key int) event.Record {
	t := templates[key%len(templates)]
	return event.Record{
		Key:   fmt.Appendf(nil, t.key, 1_000_000+key),
		Value: fmt.Appendf(nil, t.data, n, 1_000_000+key),
		Headers: []event.Header{
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte(t.typ)},
			{Key: "ce_source", Value: []byte("/wms/bench")}, {Key: "ce_id", Value: fmt.Appendf(nil, "e-%d", n)},
		},
	}
}

var catalogue = func() *schemas.Catalogue {
	c, err := schemas.Load("")
	if err != nil {
		panic(err) // the embedded schemas are part of the program
	}
	return c
}()

// newRawCall is the call that the worker makes of a record.
func newRawCall(r event.Record) (rawCall, error) {
	ev, defect := (&event.Decoder{MaxBytes: 1 << 20}).Decode(&r)
	if defect != nil {
		return rawCall{}, fmt.Errorf("sample: %s: %s", defect.Reason, defect.Message)
	}
	typ, ok := catalogue.Type(ev.Type)
	if !ok {
		return rawCall{}, fmt.Errorf("sample: no type %s", ev.Type)
	}
	checked, violation := typ.Check(ev.Data, schemas.UnknownReject)
	if violation != nil {
		return rawCall{}, fmt.Errorf("sample: %s: %s %s", ev.Type, violation.Pointer, violation.Message)
	}
	payload, err := top.Encode(typ, checked.Data)
	if err != nil {
		return rawCall{}, err
	}
	return rawCall{method: typ.Method, params: payload.Params, body: payload.Body}, nil
}
