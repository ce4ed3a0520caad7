package event_test

import (
	"testing"

	"github.com/toprelay/worker/internal/event"
)

func TestPlain(t *testing.T) {
	const malformed, invalid = event.ReasonMalformedEvent, event.ReasonInvalidData
	tests := []struct {
		name  string
		ids   []string
		value string
		id    string
		want  event.Reason
	}{
		{"text", []string{"/order/id"}, `{"order":{"id":"A1"}}`, "A1", ""},
		{"escaped text", []string{"/order/id"}, `{"order":{"id":"\u00411"}}`, "A1", ""},
		{"number as written", []string{"/id"}, `{"id":652019384756123456789.0}`, "652019384756123456789.0", ""},
		{"two parts", []string{"/a", "/b"}, `{"a":"ab","b":"c"}`, "2:ab1:c", ""},
		{"two parts, cut elsewhere", []string{"/a", "/b"}, `{"a":"a","b":"bc"}`, "1:a2:bc", ""},
		{"length in bytes", []string{"/a", "/b"}, `{"a":"\u5f20","b":12}`, "3:\u5f202:12", ""},
		{"the order of the parts is the configuration's", []string{"/b", "/a"}, `{"a":"a","b":"bc"}`, "2:bc1:a", ""},
		{"escaped pointer", []string{"/a~1b/~0~01"}, `{"a/b":{"~~1":"x"}}`, "x", ""},
		{"empty name", []string{"/"}, `{"":"x"}`, "x", ""},
		{"element of a list", []string{"/items/1/id"}, `{"items":[{"id":"a"},{"id":"b"}]}`, "b", ""},
		{"past the list", []string{"/items/2"}, `{"items":["a","b"]}`, "", malformed},
		{"index with a zero before it", []string{"/items/01"}, `{"items":["a","b"]}`, "", malformed},
		{"index that is none", []string{"/items/-"}, `{"items":["a","b"]}`, "", malformed},
		{"index with a sign", []string{"/items/+1"}, `{"items":["a","b"]}`, "", malformed},
		{"not found", []string{"/id"}, `{}`, "", malformed},
		{"second part not found", []string{"/a", "/b"}, `{"a":"a"}`, "", malformed},
		{"below a scalar", []string{"/a/b"}, `{"a":"a"}`, "", malformed},
		{"null", []string{"/id"}, `{"id":null}`, "", malformed},
		{"empty", []string{"/id"}, `{"id":""}`, "", malformed},
		{"object", []string{"/id"}, `{"id":{}}`, "", malformed},
		{"list", []string{"/id"}, `{"id":["a"]}`, "", malformed},
		{"boolean", []string{"/id"}, `{"id":true}`, "", malformed},
		{"pointer that is none", []string{"id"}, `{"id":"a"}`, "", malformed},
		{"no pointer", nil, `{"id":"a"}`, "", malformed},
		{"member of another case", []string{"/id"}, `{"ID":"a"}`, "", malformed},
		{"null as a whole", []string{"/id"}, `null`, "", malformed},
		{"list as a whole", []string{"/0/id"}, `[{"id":"a"}]`, "a", invalid},
		{"text as a whole", []string{""}, `"a"`, "a", invalid},
		{"member twice", []string{"/id"}, `{"id":"a","x":1,"x":1}`, "a", invalid},
		{"no JSON", []string{"/id"}, `{"id":"a"`, "", malformed},
		{"schema-registry frame", []string{"/id"}, "\x00\x00\x00\x00\x01{}", "", event.ReasonUnsupportedFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := &event.Decoder{Plain: map[string]event.Plain{"plain": {Type: "p.v1", Source: "/p", ID: tt.ids}}}
			e, defect := d.Decode(&event.Record{Topic: "plain", Value: []byte(tt.value)})
			if got := reasonOf(e, defect); got != tt.want {
				t.Fatalf("reason %q, want %q (%+v, %+v)", got, tt.want, defect, e.DataDefect)
			}
			if e.ID != tt.id || e.Type != "p.v1" || e.Source != "/p" || e.Account != "default" {
				t.Errorf("event %+v, want id %q", e, tt.id)
			}
			if tt.want == "" && len(e.Data) == 0 {
				t.Error("the whole value is the data")
			}
		})
	}
}

// A topic that is configured as plain still takes CloudEvents, and optional attributes as headers.
func TestPlainTopicWithHeaders(t *testing.T) {
	d := &event.Decoder{Plain: map[string]event.Plain{"t": {Type: "p.v1", Source: "/p", ID: []string{"/id"}}}}
	tests := []struct {
		name     string
		record   *event.Record
		wantType string
		id       string
		account  string
		want     event.Reason
	}{
		{"binary mode", binary(`{"id":"p"}`), "a.v1", "1", "default", ""},
		{"structured mode", structured(envelope(`,"data":{"id":"p"}`)), "a.v1", "1", "default", ""},
		{"a broken CloudEvent is not plain", binary(`{"id":"p"}`, "ce_id", ""), "a.v1", "", "default", event.ReasonMalformedEvent},
		{"an event in Avro is not plain", structured("x", "content-type", "application/cloudevents+avro"), "", "", "", event.ReasonUnsupportedFormat},
		{"account in a header", &event.Record{Topic: "t", Value: []byte(`{"id":"p"}`), Headers: headers("ce_topaccount", "shop2")}, "p.v1", "p", "shop2", ""},
		{"type and id in headers do not count", &event.Record{Topic: "t", Value: []byte(`{"id":"p"}`), Headers: headers("ce_type", "x", "ce_source", "y", "ce_id", "z")}, "p.v1", "p", "default", ""},
		{"bad expirytime in a header", &event.Record{Topic: "t", Value: []byte(`{"id":"p"}`), Headers: headers("ce_expirytime", "x")}, "p.v1", "p", "default", event.ReasonMalformedEvent},
		{"any content-type", &event.Record{Topic: "t", Value: []byte(`{"id":"p"}`), Headers: headers("content-type", "text/plain")}, "p.v1", "p", "default", ""},
		{"another topic", &event.Record{Topic: "u", Value: []byte(`{"id":"p"}`)}, "", "", "default", event.ReasonMalformedEvent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, defect := d.Decode(tt.record)
			if got := reasonOf(e, defect); got != tt.want {
				t.Fatalf("reason %q, want %q (%+v)", got, tt.want, defect)
			}
			if e.Type != tt.wantType || e.ID != tt.id || e.Account != tt.account {
				t.Errorf("type %q, id %q, account %q", e.Type, e.ID, e.Account)
			}
		})
	}
}

func TestCheckPointer(t *testing.T) {
	for pointer, ok := range map[string]bool{"": true, "/": true, "/a/0": true, "/a~1b~0": true, "/~01": true,
		"a": false, "#/a": false, "/~": false, "/~2": false, "/a~": false} {
		if err := event.CheckPointer(pointer); (err == nil) != ok {
			t.Errorf("CheckPointer(%q) = %v", pointer, err)
		}
	}
}
