package consumer

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/event"
)

// Two types whose calls may be repeated, and the one whose calls must not.
const (
	statusType   = "top.logisticsorder.status.v1"
	statusMethod = "tmall.servicecenter.workcard.logisticsorder.update"
	parcelType   = "top.deliveryorder.status.v1"
	createType   = "top.serviceorder.create.v1"
	createMethod = "tmall.servicecenter.spserviceorder.create"

	topic  = "orders"
	source = "/wms/test"
)

// What the events of the tests hold of personal data.
const (
	buyerName   = "Wang Xiaowu"
	buyerMobile = "13012345678"
)

// status is a status event of the order key. Its id is in the call too, so that the caller can tell what it is for.
func status(id string, key int, with ...func(*event.Record)) event.Record {
	r := event.Record{
		Key:   fmt.Append(nil, key),
		Value: fmt.Appendf(nil, `{"logistics_order_id":%d,"status_code":"create","express_company":%q}`, key, id),
		Headers: []event.Header{
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte(statusType)},
			{Key: "ce_source", Value: []byte(source)}, {Key: "ce_id", Value: []byte(id)},
		},
	}
	for _, f := range with {
		f(&r)
	}
	return r
}

// create is an order that must not be created twice. Its order id is both key and idempotent id.
func create(id string, with ...func(*event.Record)) event.Record {
	r := event.Record{
		Key: []byte("2:JD" + fmt.Sprintf("%d:%s", len(id), id)),
		Value: fmt.Appendf(nil, `{"service_product_id":1,"service_object_type":"tv","service_content":"mount","service_properties":{},
			"buyer":{"buyer_name":%q,"mobile":%q},"service_count":1,"out_order_id":%q,"source":"JD"}`, buyerName, buyerMobile, id),
		Headers: []event.Header{
			{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte(createType)},
			{Key: "ce_source", Value: []byte(source)}, {Key: "ce_id", Value: []byte(id)},
		},
	}
	for _, f := range with {
		f(&r)
	}
	return r
}

// parcel is a status of another API, whose data is one struct in the call.
func parcel(id string, key int, with ...func(*event.Record)) event.Record {
	r := status(id, key, without("ce_type"), header("ce_type", parcelType),
		value(fmt.Sprintf(`{"platform_order_id":"%d","status":"ISSUE_SUCCEEDED","mail_no":"1","mail_company":%q}`, key, id)))
	for _, f := range with {
		f(&r)
	}
	return r
}

// header sets a header.
func header(name, value string) func(*event.Record) {
	return func(r *event.Record) { r.Headers = append(r.Headers, event.Header{Key: name, Value: []byte(value)}) }
}

func ofAccount(name string) func(*event.Record) { return header("ce_topaccount", name) }

// expires sets the time after which the event is of no use any more.
func expires(in time.Duration) func(*event.Record) {
	return header("ce_expirytime", time.Now().Add(in).UTC().Format(time.RFC3339))
}

// value sets the value.
func value(text string) func(*event.Record) {
	return func(r *event.Record) { r.Value = []byte(text) }
}

// without takes a header away.
func without(name string) func(*event.Record) {
	return func(r *event.Record) {
		kept := r.Headers[:0]
		for _, h := range r.Headers {
			if h.Key != name {
				kept = append(kept, h)
			}
		}
		r.Headers = kept
	}
}

// idOf is the id of an event, or the offset of one without.
func idOf(r *event.Record) string {
	if id, ok := r.Header("ce_id"); ok {
		return string(id)
	}
	return fmt.Sprintf("at %d", r.Offset)
}

// frame is a schema-registry frame, which nobody can read here.
func frame() []byte { return binary.BigEndian.AppendUint32([]byte{0}, 7) }
