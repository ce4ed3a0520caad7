package event_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
)

func TestAttributes(t *testing.T) {
	shanghai := time.FixedZone("", 8*3600)
	tests := []struct {
		name   string
		record *event.Record
		want   event.Event
	}{
		{"all in headers", binary(`{}`, "ce_subject", "sub", "ce_time", "2026-03-01T10:00:00+08:00", "ce_topaccount", "shop2",
			"ce_expirytime", "2026-03-02T00:00:00.5Z", "ce_traceparent", "p", "ce_tracestate", "s"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Subject: "sub", Account: "shop2",
				Time: time.Date(2026, 3, 1, 10, 0, 0, 0, shanghai), Expiry: time.Date(2026, 3, 2, 0, 0, 0, 5e8, time.UTC),
				Traceparent: "p", Tracestate: "s"}},
		{"all in an envelope", structured(envelope(`,"subject":"sub","time":"2026-03-01T10:00:00+08:00","topaccount":"shop2",` +
			`"expirytime":"2026-03-02T00:00:00.5Z","traceparent":"p","tracestate":"s","data":{}`)),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Subject: "sub", Account: "shop2",
				Time: time.Date(2026, 3, 1, 10, 0, 0, 0, shanghai), Expiry: time.Date(2026, 3, 2, 0, 0, 0, 5e8, time.UTC),
				Traceparent: "p", Tracestate: "s"}},
		{"attributes after the data, escaped", structured(`{"data":{},"id":"\u0031","type":"a.v1","source":"\/s","specversion":"1.0"}`),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"the envelope wins", structured(envelope(`,"data":{}`), "ce_id", "2", "ce_type", "b", "ce_topaccount", "other", "ce_specversion", "0.3"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"the last header counts", binary(`{}`, "ce_id", "2", "ce_id", "3", "ce_topaccount", "x", "ce_topaccount", "y"),
			event.Event{ID: "3", Source: "/s", Type: "a.v1", Account: "y"}},
		{"no percent-decoding on Kafka", binary(`{}`, "ce_id", "100%25 \u00e9"),
			event.Event{ID: "100%25 \u00e9", Source: "/s", Type: "a.v1", Account: "default"}},
		{"blank account", binary(`{}`, "ce_topaccount", " \t\u3000"), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"empty account", structured(envelope(`,"topaccount":"","data":{}`)), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"null account", structured(envelope(`,"topaccount":null,"data":{}`)), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"account is taken as it is", binary(`{}`, "ce_topaccount", " a"), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: " a"}},
		{"integer account", structured(envelope(`,"topaccount":42,"data":{}`)), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "42"}},
		{"boolean account", structured(envelope(`,"topaccount":true,"data":{}`)), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "true"}},
		{"time with t and z in lower case", binary(`{}`, "ce_time", "2026-03-01t10:00:00z"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default", Time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}},
		{"expirytime that is Go's zero time", binary(`{}`, "ce_expirytime", "0001-01-01T00:00:00Z"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default", Expiry: time.Time{}.Add(1)}},
		{"Kafka trace headers first", binary(`{}`, "ce_traceparent", "p", "ce_tracestate", "s", "traceparent", "p0", "traceparent", "p1", "tracestate", "s1"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default", Traceparent: "p1", Tracestate: "s1"}},
		{"the state of another trace is not taken", binary(`{}`, "ce_traceparent", "p", "ce_tracestate", "s", "traceparent", "p1"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default", Traceparent: "p1"}},
		{"Kafka trace headers beside an envelope", structured(envelope(`,"traceparent":"p","data":{}`), "traceparent", "p1"),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default", Traceparent: "p1"}},
		{"empty trace header", binary(`{}`, "ce_traceparent", "p", "traceparent", ""),
			event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default", Traceparent: "p"}},
		{"id of 10 KB", binary(`{}`, "ce_id", strings.Repeat("x", 10<<10)),
			event.Event{ID: strings.Repeat("x", 10<<10), Source: "/s", Type: "a.v1", Account: "default"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, defect := (&event.Decoder{}).Decode(tt.record)
			if defect != nil || got.DataDefect != nil {
				t.Fatalf("defect %+v, data defect %+v", defect, got.DataDefect)
			}
			got.Data = nil
			tt.want.Time, tt.want.Expiry = tt.want.Time.UTC(), tt.want.Expiry.UTC()
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

// Even with a defect the dead letter should say which event it was.
func TestWhatCouldBeReadIsKept(t *testing.T) {
	plain := map[string]event.Plain{"plain": {Type: "p.v1", Source: "/p", ID: []string{"/id"}}}
	onPlain := func(value string) *event.Record { return &event.Record{Topic: "plain", Value: []byte(value)} }
	tests := []struct {
		name   string
		record *event.Record
		want   event.Event
	}{
		{"tombstone", binary("", "ce_topaccount", "x"), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "x"}},
		{"no JSON", binary("x"), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"other version", binary("{}", "ce_specversion", "0.3"), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"no id", binary("{}", "ce_id", ""), event.Event{Source: "/s", Type: "a.v1", Account: "default"}},
		{"id not UTF-8", binary("{}", "ce_id", "\xff"), event.Event{Source: "/s", Type: "a.v1", Account: "default"}},
		{"bad expirytime", binary("{}", "ce_expirytime", "soon", "ce_topaccount", "x"), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "x"}},
		{"envelope cut off", structured(`{"id":"1","type":"a.v1","data":{"a":`), event.Event{ID: "1", Type: "a.v1"}},
		{"envelope cut off after the account", structured(`{"topaccount":"x","id":"1","data":{"a":`), event.Event{ID: "1", Account: "x"}},
		{"envelope without data", structured(envelope("")), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"id twice: the first", structured(envelope(`,"id":"2","data":{}`)), event.Event{ID: "1", Source: "/s", Type: "a.v1", Account: "default"}},
		{"envelope in Avro with ce_ headers", structured("x", "content-type", "application/cloudevents+avro", "ce_id", "9", "traceparent", "p"),
			event.Event{ID: "9", Traceparent: "p"}},
		{"plain, no JSON", onPlain("x"), event.Event{Source: "/p", Type: "p.v1", Account: "default"}},
		{"plain, null value", &event.Record{Topic: "plain"}, event.Event{Source: "/p", Type: "p.v1", Account: "default"}},
		{"plain, no id", onPlain("{}"), event.Event{Source: "/p", Type: "p.v1", Account: "default"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, defect := (&event.Decoder{Plain: plain}).Decode(tt.record)
			if defect == nil {
				t.Fatalf("no defect: %+v", got)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}
