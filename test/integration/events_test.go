package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// kind is one of the five event types, with what a test must know of it.
type kind struct {
	name       string // short, for subtests and keys
	typ        string
	method     string
	repeatable bool
	// data is good data of an order, holding the event's mark in a free text.
	data func(order int, mark string) map[string]any
	// key is the ordering key of that data.
	key func(order int) string
	// refusal is a business failure in the fields of this API's reply, with a code and a message that say text.
	refusal func(text string) map[string]any
}

var kinds = []*kind{
	{
		name: "logistics", typ: "top.logisticsorder.status.v1", method: "tmall.servicecenter.workcard.logisticsorder.update", repeatable: true,
		data: func(order int, mark string) map[string]any {
			return map[string]any{"logistics_order_id": order, "status_code": "create", "comment": mark}
		},
		key: func(order int) string { return fmt.Sprint(order) },
		refusal: func(text string) map[string]any {
			return map[string]any{"success": false, "msg_code": "ORDER_CLOSED", "display_msg": text}
		},
	},
	{
		name: "delivery", typ: "top.deliveryorder.status.v1", method: "tmall.ovs.delivery.order.info.send", repeatable: true,
		data: func(order int, mark string) map[string]any {
			return map[string]any{"platform_order_id": fmt.Sprintf("D%d", order), "status": "PACKAGING", "mail_no": mark}
		},
		key: func(order int) string { return fmt.Sprintf("D%d", order) },
		refusal: func(text string) map[string]any {
			return map[string]any{"success": false, "fail_code": "ORDER_CLOSED", "fail_message": text}
		},
	},
	{
		name: "sync", typ: "top.workorder.sync.v1", method: "taobao.logistics.provider.work.order.sync", repeatable: true,
		data: func(order int, mark string) map[string]any {
			return map[string]any{
				"provider_order_create_time": "2024-11-22 00:00:00", "provider_order_code": fmt.Sprintf("P%d", order),
				"provider_order_update_time": "2024-11-22 00:10:00", "service_code": "催派送", "provider_order_type": 1,
				"biz_order_code": fmt.Sprintf("B%d", order), "biz_order_type": 1, "extension": mark,
			}
		},
		key: func(order int) string { return fmt.Sprintf("P%d", order) },
		refusal: func(text string) map[string]any {
			return map[string]any{"success": false, "error_code": "ORDER_CLOSED", "error_msg": text}
		},
	},
	{
		name: "issue", typ: "top.workorder.issue.v1", method: "qimen.taobao.logistics.work.order.issue", repeatable: true,
		data: issueData,
		key:  func(order int) string { return fmt.Sprintf("LW%d", order) },
		refusal: func(text string) map[string]any {
			return map[string]any{"success": false, "biz_error_code": "ORDER_CLOSED", "biz_error_msg": text}
		},
	},
	{
		name: "create", typ: "top.serviceorder.create.v1", method: "tmall.servicecenter.spserviceorder.create",
		data: func(order int, mark string) map[string]any {
			return map[string]any{
				"service_product_id": 2813, "service_object_type": "50019790", "service_content": "挂装", "service_count": 2,
				"service_properties": map[string]any{"品牌": "海尔"}, "memo": mark, "source": "JD", "out_order_id": fmt.Sprintf("o-%d", order),
				"buyer": map[string]any{"buyer_name": "王小五", "mobile": "17700000000"},
			}
		},
		key: func(order int) string { return schemas.JoinParts("JD", fmt.Sprintf("o-%d", order)) },
		refusal: func(text string) map[string]any {
			return map[string]any{"is_success": false, "display_msg": text}
		},
	},
}

var (
	logistics, delivery, workSync, issue, create = kinds[0], kinds[1], kinds[2], kinds[3], kinds[4]
	repeatableKinds                              = kinds[:4]
)

func issueData(order int, mark string) map[string]any {
	return map[string]any{
		"customer_type": 4, "work_order_code": fmt.Sprintf("LW%d", order), "category_code": "BEFORE-TIMEOUT", "description": mark,
		"biz_order_code": "123456", "work_order_type": 1, "start_time": "2023-08-22 00:00:00", "customer_name": "物流客服",
		"category": "催上门取件", "status": 1, "scenario_code": 110, "biz_order_type": 1,
		"work_order_task": map[string]any{
			"task_expire_time": "2023-08-23 00:00:00", "task_start_time": "2023-08-22 00:00:00",
			"structural_replys": []any{map[string]any{
				"reply_value": 101, "reply_label": "已派单待取件",
				"reply_supplements": map[string]any{"reply_supplement": []any{map[string]any{
					"field_label": "网点联系人", "field_name": "contactName", "field_type": "string", "require": true, "field_value": "",
				}}},
			}},
		},
	}
}

// ev is an event as a test publishes it, and what the oracle must know of it.
type ev struct {
	kind      *kind
	id        string // CloudEvents id
	mark      string
	key       string // ordering key, empty where it cannot be read
	account   string
	topic     string // empty: the topic for status changes
	partition int    // -1: by key
	record    event.Record
}

// ident is what must reach the platform once.
func (e *ev) ident() string {
	id := e.id
	if e.kind == create {
		id = e.key
	}
	return schemas.JoinParts(e.kind.method, e.account, id)
}

var counter atomic.Int64

// event is a good event of an order, in binary mode.
func (k *kind) event(order int) *ev {
	n := counter.Add(1)
	e := &ev{
		kind: k, id: fmt.Sprintf("e-%d", n), mark: fmt.Sprintf("mk%dz", n), key: k.key(order), account: "default", partition: -1,
	}
	return e.with(k.data(order, e.mark))
}

// events are n good events of an order.
func (k *kind) events(order, n int) []*ev {
	all := make([]*ev, n)
	for i := range all {
		all[i] = k.event(order)
	}
	return all
}

// with gives the event other data.
func (e *ev) with(data map[string]any) *ev {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	e.record = binaryMode(e.kind.typ, e.id, e.key, string(text))
	return e
}

// and sets members of the data; nil removes one.
func (e *ev) and(members map[string]any) *ev {
	var data map[string]any
	if err := json.Unmarshal(e.record.Value, &data); err != nil {
		panic(err)
	}
	for name, value := range members {
		if data[name] = value; value == nil {
			delete(data, name)
		}
	}
	headers := e.record.Headers
	e.with(data).record.Headers = headers
	return e
}

// header adds a header.
func (e *ev) header(name, value string) *ev {
	e.record.Headers = append(e.record.Headers, event.Header{Key: name, Value: []byte(value)})
	return e
}

// by names the account.
func (e *ev) by(account string) *ev {
	e.account = account
	return e.header("ce_topaccount", account)
}

// at sends it to a partition.
func (e *ev) at(partition int) *ev {
	e.partition = partition
	return e
}

// again is the same event once more, as a publisher sends it that was not sure.
func (e *ev) again() *ev {
	other := *e
	other.record.Headers = slices.Clone(e.record.Headers)
	return &other
}

// binaryMode is an event in binary mode.
func binaryMode(typ, id, key, data string) event.Record {
	return event.Record{Key: []byte(key), Value: []byte(data), Headers: []event.Header{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte(typ)},
		{Key: "ce_source", Value: []byte(source)}, {Key: "ce_id", Value: []byte(id)},
		{Key: "content-type", Value: []byte("application/json")},
	}}
}

const source = "/wms/test"

// raw is a record that is no readable event.
func raw(r event.Record) *ev { return &ev{record: r, partition: -1} }
