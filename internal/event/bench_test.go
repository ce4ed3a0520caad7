package event_test

import (
	"encoding/json"
	"testing"

	"github.com/toprelay/worker/internal/event"
)

// benchData is a work order of 500 bytes as a publisher sends it.
const benchData = `{"provider_order_code":"PO-2026-03-01-000123","service_provider_code":"SP-88","work_order_code":652019384756123,` +
	`"status":"COMPLETED","operate_time":"2026-03-01 10:00:00","operator":{"name":"张三","mobile":"13800000000"},` +
	`"items":[{"sku":"A-1","quantity":2,"unit":"pcs"},{"sku":"B-2","quantity":1,"unit":"pcs"}],"remark":"left at the door",` +
	`"warehouse_code":"HZ01","channel":"tmall","weight":1250,"fragile":false,"ext_json":{"a":[1,2,3]},"idempotent_id":"0f8fad5b-d9cb"}`

func benchRecords() map[string]*event.Record {
	return map[string]*event.Record{
		"binary": {Topic: "t", Key: []byte("PO-2026-03-01-000123"), Value: []byte(benchData), Headers: []event.Header{
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte("top.workorder.sync.v1")},
			{Key: "ce_source", Value: []byte("/wms/hangzhou-1")}, {Key: "ce_id", Value: []byte("en-p01-0000-0000")},
			{Key: "ce_time", Value: []byte("2026-03-01T10:00:00+08:00")},
			{Key: "content-type", Value: []byte("application/json; charset=utf-8")},
			{Key: "traceparent", Value: []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
		}},
		"structured": {Topic: "t", Value: []byte(`{"specversion":"1.0","type":"top.workorder.sync.v1","source":"/wms/hangzhou-1",` +
			`"id":"en-p02","time":"2026-03-01T10:00:00+08:00","data":` + benchData + `}`), Headers: []event.Header{
			{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")}}},
		"plain": {Topic: "plain", Value: []byte(benchData)},
	}
}

func BenchmarkDecode(b *testing.B) {
	d := event.Decoder{MaxBytes: 900 << 10, Plain: map[string]event.Plain{
		"plain": {Type: "top.workorder.sync.v1", Source: "/wms/1", ID: []string{"/provider_order_code", "/status"}}}}
	for name, r := range benchRecords() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(r.Value)))
			b.ReportAllocs()
			for b.Loop() {
				if e, defect := d.Decode(r); defect != nil || e.Data == nil {
					b.Fatal(defect)
				}
			}
		})
	}
	b.Run("encoding-json", func(b *testing.B) { // only the data, for comparison
		b.ReportAllocs()
		for b.Loop() {
			var v map[string]any
			if json.Unmarshal([]byte(benchData), &v) != nil {
				b.Fatal()
			}
		}
	})
}
