package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// mistake is one that publishers make. What they get for it is found out by making it.
type mistake struct {
	what    string // what was sent
	instead string // what to do
	record  *event.Record
	reason  event.Reason // the one that is expected
}

// maxEventBytes is consumer.max_event_bytes as it ships.
const maxEventBytes = 900 << 10

// mistakes is the table of mistakes, with the answer of the product to each.
func (d *document) mistakes() (string, error) {
	var b strings.Builder
	for _, group := range []struct {
		title    string
		mistakes []mistake
	}{{"the envelope", envelopeMistakes()}, {"the data", dataMistakes()}} {
		fmt.Fprintf(&b, "Mistakes in %s:\n\n| you send | you get | do this |\n|---|---|---|\n", group.title)
		for _, m := range group.mistakes {
			defect, err := d.answer(m)
			if err != nil {
				return "", err
			}
			answer := "`" + string(defect.Reason) + "`"
			if defect.Pointer != "" {
				answer += " `" + defect.Pointer + "`"
			}
			fmt.Fprintf(&b, "| %s | %s: %s | %s |\n", cell(m.what), answer, cell(defect.Message), cell(m.instead))
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// answer makes a mistake, and returns what the product says to it.
func (d *document) answer(m mistake) (*event.Defect, error) {
	decoder := event.Decoder{MaxBytes: maxEventBytes}
	e, defect := decoder.Decode(m.record)
	if defect == nil {
		t, known := d.known.Type(e.Type)
		switch {
		case !known:
			defect = &event.Defect{Reason: event.ReasonUnknownType, Message: "the type is not in the catalogue: see `worker schemas list`"}
		case e.DataDefect != nil:
			defect = e.DataDefect
		default:
			if _, v := t.Check(e.Data, schemas.UnknownReject); v != nil {
				defect = &event.Defect{Reason: event.ReasonInvalidData, Pointer: v.Pointer, Message: v.Message}
			}
		}
	}
	switch {
	case defect == nil:
		return nil, fmt.Errorf("%s: is no mistake", m.what)
	case defect.Reason != m.reason:
		return nil, fmt.Errorf("%s: the reason is %s, expected was %s", m.what, defect.Reason, m.reason)
	}
	return defect, nil
}

// Good data to spoil, one a type.
const (
	update = "top.logisticsorder.status.v1"
	ovs    = "top.deliveryorder.status.v1"
	sync   = "top.workorder.sync.v1"
	issue  = "top.workorder.issue.v1"
	create = "top.serviceorder.create.v1"
)

// good is the smallest good data of a type, as members.
func good(eventType string) map[string]any {
	texts := map[string]string{
		update: `{"logistics_order_id": 222233333, "status_code": "signed", "sign_time": "2026-11-25 17:15:28"}`,
		ovs:    `{"platform_order_id": "P1", "status": "PACK_FINISH"}`,
		sync: `{"provider_order_create_time": "2026-11-25 17:15:28", "provider_order_code": "CS1",
			"provider_order_update_time": "2026-11-25 17:15:28", "service_code": "A", "provider_order_type": 1,
			"biz_order_code": "YF1", "biz_order_type": 1}`,
		issue: `{"customer_type": 4, "work_order_code": "LW1", "category_code": "BEFORE-TIMEOUT", "description": "late",
			"biz_order_code": "YF1", "work_order_type": 1, "start_time": "2026-11-25 17:15:28", "customer_name": "A",
			"category": "A", "status": 1, "scenario_code": 110, "biz_order_type": 1, "work_order_task": {
			"task_expire_time": "2026-11-26 17:15:28", "task_start_time": "2026-11-25 17:15:28", "structural_replys": [
			{"reply_value": 1, "reply_label": "A", "reply_supplements": {"reply_supplement": [
			{"field_label": "A", "field_name": "a", "field_type": "string", "require": false, "field_value": ""}]}}]}}`,
		create: `{"service_product_id": 1, "service_object_type": "A", "service_content": "A", "service_properties": {},
			"buyer": {"buyer_name": "A", "mobile": "13000000000"}, "service_count": 1, "out_order_id": "O1", "source": "JD"}`,
	}
	var data map[string]any
	if err := json.Unmarshal([]byte(texts[eventType]), &data); err != nil {
		panic("gendocs: the good data of " + eventType + ": " + err.Error())
	}
	return data
}

// spoilt is an event in binary mode whose data has these members (JSON texts) in the place of the good ones; an empty text
// takes the member away.
func spoilt(eventType string, members map[string]string) *event.Record {
	data := good(eventType)
	for name, text := range members {
		if text == "" {
			delete(data, name)
			continue
		}
		data[name] = json.RawMessage(text)
	}
	return binaryRecord(eventType, marshaled(data))
}

func marshaled(data map[string]any) string {
	text, err := json.Marshal(data)
	if err != nil {
		panic("gendocs: a mistake is no JSON: " + err.Error())
	}
	return string(text)
}

// binaryRecord is an event in binary mode; headers are names and values that replace the good ones.
func binaryRecord(eventType, value string, headers ...string) *event.Record {
	r := &event.Record{Value: []byte(value)}
	all := append([]string{
		"ce_specversion", "1.0", "ce_type", eventType, "ce_source", "/wms/hangzhou-1", "ce_id", "4711-signed",
		"content-type", "application/json",
	}, headers...)
	for i := 0; i < len(all); i += 2 {
		r.Headers = append(r.Headers, event.Header{Key: all[i], Value: []byte(all[i+1])})
	}
	return r
}
