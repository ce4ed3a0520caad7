package main

import (
	"fmt"
	"strings"

	"github.com/toprelay/worker/internal/event"
)

// envelopeMistakes are those in the record and its attributes.
func envelopeMistakes() []mistake {
	signed := marshaled(good(update))
	envelope := func(format string) *event.Record {
		return structuredRecord([]byte(fmt.Sprintf(format, signed)))
	}
	return []mistake{
		{
			"plain JSON without any header on an ordinary topic",
			"send the four `ce_` headers, or have the topic configured as [plain JSON](#plain-json)",
			&event.Record{Value: []byte(signed)}, event.ReasonMalformedEvent,
		},
		{
			"an envelope as the value, without the `content-type` header",
			"send the header `content-type: application/cloudevents+json`",
			&event.Record{Value: structuredValue(signed)}, event.ReasonMalformedEvent,
		},
		{
			"no `ce_id`",
			"give each event an id of its own, made before the first try to publish it",
			withoutHeader(binaryRecord(update, signed), "ce_id"), event.ReasonMalformedEvent,
		},
		{
			"`\"id\": 4711` in an envelope",
			"attributes are strings: `\"id\": \"4711\"`",
			envelope(`{"specversion":"1.0","type":"` + update + `","source":"/wms/hangzhou-1","id":4711,"data":%s}`),
			event.ReasonMalformedEvent,
		},
		{
			"`\"data\": null` in an envelope, or none",
			"an event without data calls nothing: do not publish it",
			structuredRecord([]byte(`{"specversion":"1.0","type":"` + update + `","source":"/wms/hangzhou-1","id":"4711","data":null}`)),
			event.ReasonMalformedEvent,
		},
		{
			"a null value, as a delete marker (tombstone)",
			"consumed topics hold events only",
			binaryNull(), event.ReasonMalformedEvent,
		},
		{
			"text in GBK",
			"encode JSON as UTF-8",
			binaryRecord(update, strings.Replace(signed, "{", "{\"comment\":\"\xd5\xc5\xc8\xfd\",", 1)), event.ReasonMalformedEvent,
		},
		{
			"a byte order mark before the JSON",
			"write UTF-8 without one",
			binaryRecord(update, "\xef\xbb\xbf"+signed), event.ReasonMalformedEvent,
		},
		{
			"two JSON objects in one record",
			"one event is one record",
			binaryRecord(update, signed+signed), event.ReasonMalformedEvent,
		},
		{
			"`ce_expirytime: 2026-11-25 17:15:28`",
			"RFC 3339 with an offset: `2026-11-25T17:15:28+08:00`",
			binaryRecord(update, signed, "ce_expirytime", "2026-11-25 17:15:28"), event.ReasonMalformedEvent,
		},
		{
			"`ce_specversion: 0.3`",
			"send `1.0`, to the letter",
			binaryRecord(update, signed, "ce_specversion", "0.3"), event.ReasonUnsupportedFormat,
		},
		{
			"`content-type: text/plain` in binary mode",
			"send `application/json`, or no `content-type`",
			binaryRecord(update, signed, "content-type", "text/plain"), event.ReasonUnsupportedFormat,
		},
		{
			"`content-type: application/cloudevents-batch+json`",
			"one event is one record: there is no batch",
			binaryRecord(update, "["+signed+"]", "content-type", "application/cloudevents-batch+json"), event.ReasonUnsupportedFormat,
		},
		{
			"Avro or JSON Schema of a schema registry (first byte 0)",
			"use a plain string or byte serializer",
			binaryRecord(update, "\x00\x00\x00\x00\x01"+signed), event.ReasonUnsupportedFormat,
		},
		{
			"`ce_type: top.logisticsorder.status`",
			"the name is whole, with its version: `top.logisticsorder.status.v1`",
			binaryRecord("top.logisticsorder.status", signed), event.ReasonUnknownType,
		},
		{
			"a record of 1 MiB",
			"send URLs of pictures, not pictures",
			binaryRecord(update, `{"comment":"`+strings.Repeat("a", 1<<20)+`"}`), event.ReasonOversized,
		},
	}
}

func structuredValue(data string) []byte {
	return []byte(`{"specversion":"1.0","type":"` + update + `","source":"/wms/hangzhou-1","id":"4711","data":` + data + `}`)
}

func binaryNull() *event.Record {
	r := binaryRecord(update, "")
	r.Value = nil
	return r
}

func withoutHeader(r *event.Record, name string) *event.Record {
	var left []event.Header
	for _, h := range r.Headers {
		if h.Key != name {
			left = append(left, h)
		}
	}
	r.Headers = left
	return r
}
