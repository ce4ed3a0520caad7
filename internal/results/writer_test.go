package results

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// fakeProducer keeps what is written.
type fakeProducer struct {
	fail      error
	hang      bool
	topic     string
	partition int
	record    event.Record
}

// Write implements Producer.
func (f *fakeProducer) Write(ctx context.Context, topic string, partition int, r event.Record) error {
	if f.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	f.topic, f.partition, f.record = topic, partition, r
	return f.fail
}

func writer(f *fakeProducer) *Writer {
	return NewWriter(f, Options{Topic: "top.results", Group: "g", Timeout: 10 * time.Second})
}

func result() consumer.Result {
	return consumer.Result{
		Record: &event.Record{Topic: "top.work-orders", Partition: 3, Offset: 7, Key: []byte("record key"), Time: time.UnixMilli(1), Headers: []event.Header{
			{Key: "traceparent", Value: []byte("00-1-2-01")}, {Key: "tracestate", Value: []byte("a=b")}, {Key: "other", Value: []byte("x")},
		}},
		EventID: "e-1", EventSource: "/wms/1", EventType: "top.serviceorder.create.v1", Account: "default", Key: "2:JD3:o-1",
		Outcome: "delivered", Method: "tmall.x", RequestID: "req", Attempts: 2, Reply: []byte(`{"service_order_id":7,"workcard_ids":[1,2]}`),
	}
}

// The data and the headers of a result, to the letter.
func TestResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := result()
		dead.Outcome, dead.Reason, dead.Code, dead.SubCode, dead.Message, dead.Reply = "dead_lettered", "rejected", "15", "isv.closed", "closed", nil
		unread := consumer.Result{Record: dead.Record, Outcome: "dead_lettered", Reason: "malformed_event"}
		tests := []struct {
			name   string
			result consumer.Result
			key    string
			data   string
		}{
			{"delivered", result(), "2:JD3:o-1", `{"event_id":"e-1","event_source":"/wms/1","event_type":"top.serviceorder.create.v1","account":"default",` +
				`"key":"2:JD3:o-1","outcome":"delivered","reason":"","method":"tmall.x","code":"","sub_code":"","message":"","request_id":"req",` +
				`"attempts":2,"reply":{"service_order_id":7,"workcard_ids":[1,2]}}`},
			{"dead letter", dead, "2:JD3:o-1", `{"event_id":"e-1","event_source":"/wms/1","event_type":"top.serviceorder.create.v1","account":"default",` +
				`"key":"2:JD3:o-1","outcome":"dead_lettered","reason":"rejected","method":"tmall.x","code":"15","sub_code":"isv.closed","message":"closed",` +
				`"request_id":"req","attempts":2,"reply":null}`},
			{"could not be read", unread, "record key", `{"event_id":"","event_source":"","event_type":"","account":"","key":"","outcome":"dead_lettered",` +
				`"reason":"malformed_event","method":"","code":"","sub_code":"","message":"","request_id":"","attempts":0,"reply":null}`},
		}
		for _, tt := range tests {
			f := &fakeProducer{}
			if err := writer(f).Write(context.Background(), tt.result); err != nil {
				t.Fatal(err)
			}
			if f.topic != "top.results" || f.partition != -1 || string(f.record.Key) != tt.key {
				t.Errorf("%s: %s/%d with key %q", tt.name, f.topic, f.partition, f.record.Key)
			}
			if string(f.record.Value) != tt.data {
				t.Errorf("%s: data\n %s\nwant\n %s", tt.name, f.record.Value, tt.data)
			}
			var headers []string
			for _, h := range f.record.Headers {
				headers = append(headers, h.Key+": "+string(h.Value))
			}
			want := []string{
				"ce_specversion: 1.0", "ce_id: " + consumer.OriginID("g", tt.result.Record), "ce_source: /toprelay/g", "ce_type: top.result.v1",
				"ce_time: 2000-01-01T00:00:00Z", "content-type: application/json", "traceparent: 00-1-2-01", "tracestate: a=b",
			}
			if got := strings.Join(headers, "\n"); got != strings.Join(want, "\n") {
				t.Errorf("%s: headers\n%s\nwant\n%s", tt.name, got, strings.Join(want, "\n"))
			}
			// A reader of CloudEvents, such as this worker, can read it.
			if ev, defect := (&event.Decoder{}).Decode(&f.record); defect != nil || ev.Type != Type || ev.Data["outcome"] != tt.result.Outcome {
				t.Errorf("%s: read back as %+v, %v", tt.name, ev, defect)
			}
		}
	})
}

// Whatever an event holds: its result is a record that every broker takes, because nothing is committed past an event
// without one.
func TestResultIsBounded(t *testing.T) {
	long := strings.Repeat("\x01长", 300_000)
	r := result()
	r.EventID, r.EventSource, r.EventType, r.Account, r.Key = long, long, long, long, long
	r.Code, r.SubCode, r.Message, r.RequestID = long, long, long, long
	r.Reply = []byte(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`)
	r.Record.Headers = []event.Header{{Key: "traceparent", Value: []byte(long)}, {Key: "tracestate", Value: []byte(long)}}
	f := &fakeProducer{}
	for range 2 {
		if err := writer(f).Write(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if f.record.Size() > 512<<10 {
			t.Errorf("a result of %d bytes", f.record.Size())
		}
		var data map[string]any
		if err := json.Unmarshal(f.record.Value, &data); err != nil || data["reply"] != nil || len(data["event_id"].(string)) > 1024 {
			t.Errorf("data %.100s, %v", f.record.Value, err)
		}
		r.Key, r.Record.Key = "", []byte(long)
	}
	r.Reply = []byte(`{"a":"` + strings.Repeat("x", 200<<10) + `"}`)
	if err := writer(f).Write(t.Context(), r); err != nil || !strings.Contains(string(f.record.Value), "xxxx") {
		t.Errorf("a reply of 200 KiB was left out: %v", err)
	}
}

func TestResultFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("broker away")
		for _, tt := range []struct {
			f    *fakeProducer
			want error
		}{{&fakeProducer{fail: away}, away}, {&fakeProducer{hang: true}, context.DeadlineExceeded}} {
			start := time.Now()
			err := writer(tt.f).Write(context.Background(), result())
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "top.work-orders/3 at offset 7") {
				t.Errorf("err = %v, want %v", err, tt.want)
			}
			if time.Since(start) > 10*time.Second {
				t.Errorf("it took %v", time.Since(start))
			}
		}
	})
}
