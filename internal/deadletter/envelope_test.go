package deadletter

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

var (
	published = time.UnixMilli(1_772_416_800_123)
	failedAt  = time.Date(2026, 3, 2, 10, 5, 10, 123456789, time.FixedZone("", 8*3600))
)

func record() *event.Record {
	return &event.Record{
		Topic: "top.work-orders", Partition: 258, Offset: 1<<40 + 7, Key: []byte("k"), Value: []byte(`{"a":1}`), Time: published,
		Headers: []event.Header{
			{Key: "ce_id", Value: []byte("e-1")}, {Key: "nil", Value: nil}, {Key: "empty", Value: []byte{}},
			{Key: "ce_id", Value: []byte{0xff, 0}}, {Key: "", Value: []byte("nameless")},
		},
	}
}

func letter() consumer.Letter {
	return consumer.Letter{
		Record: record(), Reason: event.ReasonRejected, Pointer: "/buyer/mobile", Message: "closed", Type: "top.workorder.sync.v1",
		Key: "订单", EventID: "e-1", Account: "default", Method: "taobao.x", Code: "15", SubCode: "isv.closed", RequestID: "req",
		Attempts: 3, Ambiguous: true, FirstFailedAt: failedAt.Add(-time.Hour), FailedAt: failedAt,
	}
}

// Every header of contract section 8, to the letter and in a fixed order, behind the original ones.
func TestEnvelope(t *testing.T) {
	l := letter()
	got := Envelope(l, "group", "v1.2.3")
	want := append(record().Headers,
		event.Header{Key: "kafka_dlt-original-topic", Value: []byte("top.work-orders")},
		event.Header{Key: "kafka_dlt-original-partition", Value: []byte{0, 0, 1, 2}},
		event.Header{Key: "kafka_dlt-original-offset", Value: []byte{0, 0, 1, 0, 0, 0, 0, 7}},
		event.Header{Key: "kafka_dlt-original-timestamp", Value: []byte{0x00, 0x00, 0x01, 0x9c, 0xac, 0x46, 0x15, 0x7b}},
		event.Header{Key: "kafka_dlt-original-consumer-group", Value: []byte("group")},
		event.Header{Key: "kafka_dlt-exception-fqcn", Value: []byte("rejected")},
		event.Header{Key: "kafka_dlt-exception-message", Value: []byte("closed")},
		event.Header{Key: "toprelay-id", Value: []byte(consumer.OriginID("group", record()))},
		event.Header{Key: "toprelay-reason", Value: []byte("rejected")},
		event.Header{Key: "toprelay-pointer", Value: []byte("/buyer/mobile")},
		event.Header{Key: "toprelay-type", Value: []byte("top.workorder.sync.v1")},
		event.Header{Key: "toprelay-key", Value: []byte("订单")},
		event.Header{Key: "toprelay-event-id", Value: []byte("e-1")},
		event.Header{Key: "toprelay-account", Value: []byte("default")},
		event.Header{Key: "toprelay-method", Value: []byte("taobao.x")},
		event.Header{Key: "toprelay-code", Value: []byte("15")},
		event.Header{Key: "toprelay-sub-code", Value: []byte("isv.closed")},
		event.Header{Key: "toprelay-request-id", Value: []byte("req")},
		event.Header{Key: "toprelay-attempts", Value: []byte("3")},
		event.Header{Key: "toprelay-ambiguous", Value: []byte("true")},
		event.Header{Key: "toprelay-first-failed-at", Value: []byte("2026-03-02T01:05:10.123456789Z")},
		event.Header{Key: "toprelay-failed-at", Value: []byte("2026-03-02T02:05:10.123456789Z")},
		event.Header{Key: "toprelay-replays", Value: []byte("0")},
		event.Header{Key: "toprelay-version", Value: []byte("v1.2.3")},
	)
	for i := range max(len(got.Headers), len(want)) {
		if i >= len(got.Headers) || i >= len(want) || !reflect.DeepEqual(got.Headers[i], want[i]) {
			t.Fatalf("header %d:\n got %q\nwant %q", i, got.Headers[i:min(i+1, len(got.Headers))], want[i:min(i+1, len(want))])
		}
	}
	if string(got.Key) != "k" || string(got.Value) != `{"a":1}` || !got.Time.Equal(failedAt) {
		t.Errorf("key %q, value %q, time %v", got.Key, got.Value, got.Time)
	}
	if !reflect.DeepEqual(l.Record, record()) {
		t.Error("the original record was changed")
	}
}

// Empty and null stay apart, in key, value and headers.
func TestEnvelopeKeepsNullAndEmpty(t *testing.T) {
	for _, tt := range []struct{ key, value []byte }{{nil, nil}, {[]byte{}, []byte{}}, {nil, []byte{}}, {[]byte{}, nil}} {
		l := letter()
		l.Record.Key, l.Record.Value = tt.key, tt.value
		got := Envelope(l, "g", "v")
		if !same(got.Key, tt.key) || !same(got.Value, tt.value) {
			t.Errorf("%#v and %#v became %#v and %#v", tt.key, tt.value, got.Key, got.Value)
		}
		for i, h := range l.Record.Headers {
			if got.Headers[i].Key != h.Key || !same(got.Headers[i].Value, h.Value) {
				t.Errorf("header %q became %q", h, got.Headers[i])
			}
		}
	}
}

func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// What is not known has no header, but for those that every letter has.
func TestEnvelopeOfWhatCouldNotBeRead(t *testing.T) {
	l := consumer.Letter{Record: &event.Record{Topic: "t", Time: published}, Reason: event.ReasonMalformedEvent, FailedAt: failedAt}
	var names []string
	for _, h := range Envelope(l, "g", "v").Headers {
		names = append(names, h.Key)
	}
	want := "kafka_dlt-original-topic kafka_dlt-original-partition kafka_dlt-original-offset kafka_dlt-original-timestamp " +
		"kafka_dlt-original-consumer-group kafka_dlt-exception-fqcn kafka_dlt-exception-message toprelay-id toprelay-reason " +
		"toprelay-attempts toprelay-ambiguous toprelay-failed-at toprelay-replays toprelay-version"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("headers %s\nwant %s", got, want)
	}
	if got := text(Envelope(l, "g", "v"), HeaderAmbiguous); got != "false" {
		t.Errorf("ambiguous = %s", got)
	}
}

// text is the value of a header, of one given twice the last.
func text(r event.Record, name string) string {
	value, _ := r.Header(name)
	return string(value)
}

// How often a record was replayed is taken over from the replay's header, where that is a number.
func TestEnvelopeCountsReplays(t *testing.T) {
	for header, want := range map[string]string{"2": "2", "0": "0", "": "0", "-1": "0", "many": "0", "007": "7"} {
		l := letter()
		l.Record.Headers = append(l.Record.Headers, event.Header{Key: HeaderReplays, Value: []byte(header)})
		if got := text(Envelope(l, "g", "v"), HeaderReplays); got != want {
			t.Errorf("replays %q became %s, want %s", header, got, want)
		}
	}
}

// Texts are cut at 1 KiB, between characters.
func TestEnvelopeCutsTexts(t *testing.T) {
	l := letter()
	for shift := range 4 {
		long := strings.Repeat("x", shift) + strings.Repeat("长", 1000)
		l.Message, l.EventID, l.Key, l.Type, l.Pointer, l.Account, l.RequestID, l.SubCode = long, long, long, long, long, long, long, long
		e := Envelope(l, "g", "v")
		for _, name := range []string{
			HeaderExceptionMessage, HeaderEventID, HeaderKey, HeaderType, HeaderPointer, HeaderAccount, HeaderRequestID, HeaderSubCode,
		} {
			got := text(e, name)
			if len(got) > 1024 || len(got) < 1021 || !utf8.ValidString(got) || !strings.HasPrefix(long, got) {
				t.Errorf("%s: %d bytes, valid %v", name, len(got), utf8.ValidString(got))
			}
		}
	}
	l.Message = strings.Repeat("x", 1024)
	if got := text(Envelope(l, "g", "v"), HeaderExceptionMessage); got != l.Message {
		t.Errorf("exactly 1 KiB was cut to %d bytes", len(got))
	}
}

// A reference names its value by size and hash and stays under the limit, whatever is large.
func TestReference(t *testing.T) {
	big := func(n int) []byte { return bytes.Repeat([]byte("v"), n) }
	tests := []struct {
		name      string
		change    func(r *event.Record)
		limit     int
		truncated string
		headers   bool // the original ones are kept
		key       bool
	}{
		{"large value", func(r *event.Record) { r.Value = big(5000) }, 4096, "", true, true},
		{"large headers", func(r *event.Record) { r.Headers[0].Value = big(5000) }, 4096, "headers", false, true},
		{"large key", func(r *event.Record) { r.Key = big(5000) }, 4096, "headers,key", false, false},
		{"null value", func(r *event.Record) { r.Value, r.Headers[0].Value = nil, big(5000) }, 4096, "headers", false, true},
		{"no limit is kept: the least that a letter is", func(*event.Record) {}, 0, "headers,key", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := letter()
			tt.change(l.Record)
			before := fmt.Sprintf("%+v", *l.Record)
			whole := Envelope(l, "g", "v")
			got := Reference(whole, l.Record, tt.limit)
			sum := sha256.Sum256(l.Record.Value)
			if got.Value != nil || text(got, "toprelay-size") != fmt.Sprint(len(l.Record.Value)) || text(got, "toprelay-sha256") != hex.EncodeToString(sum[:]) {
				t.Errorf("value %.10q, size %s, sum %s", got.Value, text(got, "toprelay-size"), text(got, "toprelay-sha256"))
			}
			if tt.limit > 0 && got.Size() > tt.limit {
				t.Errorf("%d bytes, the limit is %d", got.Size(), tt.limit)
			}
			if text(got, "toprelay-truncated") != tt.truncated {
				t.Errorf("truncated %q, want %q", text(got, "toprelay-truncated"), tt.truncated)
			}
			if _, there := got.Header("nil"); there != tt.headers {
				t.Errorf("original headers kept: %v", there)
			}
			if (got.Key != nil) != tt.key {
				t.Errorf("key kept: %v", got.Key != nil)
			}
			for _, name := range []string{HeaderID, HeaderReason, HeaderOriginalOffset, HeaderVersion} {
				if text(got, name) != text(whole, name) {
					t.Errorf("%s is %q, was %q", name, text(got, name), text(whole, name))
				}
			}
			if after := fmt.Sprintf("%+v", *l.Record); after != before {
				t.Error("the original record was changed")
			}
		})
	}
}
