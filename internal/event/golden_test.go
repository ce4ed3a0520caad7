package event_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
)

// example is one golden example; see schemas/examples for the form.
type example struct {
	Name   string `json:"name"`
	Record struct {
		Key     *string           `json:"key"`
		Headers map[string]string `json:"headers"`
		Value   json.RawMessage   `json:"value"`
	} `json:"record"`
	Expect    *expectation  `json:"expect"`
	ExpectAny []expectation `json:"expect_any"`
}

type expectation struct {
	Outcome string            `json:"outcome"`
	Reason  event.Reason      `json:"reason"`
	Params  map[string]string `json:"params"`
}

// record builds the record of an example.
func (x *example) record(t *testing.T) *event.Record {
	t.Helper()
	r := &event.Record{Topic: "top.status-changes"}
	if x.Record.Key != nil {
		r.Key = []byte(*x.Record.Key)
	}
	for name, value := range x.Record.Headers {
		r.Headers = append(r.Headers, event.Header{Key: name, Value: []byte(value)})
	}
	var text *string
	var packed struct{ Base64 []byte }
	switch {
	case json.Unmarshal(x.Record.Value, &text) == nil:
		if text != nil {
			r.Value = []byte(*text)
		}
	case json.Unmarshal(x.Record.Value, &packed) == nil:
		r.Value = packed.Base64
	default:
		t.Fatalf("value of the example: %s", x.Record.Value)
	}
	return r
}

// verdict is what the decoder and the checks after it, in their order, say about an event that has a known type.
func verdict(e event.Event, defect *event.Defect) event.Reason {
	switch {
	case defect != nil:
		return defect.Reason
	case e.Type != "top.logisticsorder.status.v1":
		return event.ReasonUnknownType
	case e.Account != event.DefaultAccount:
		return event.ReasonUnknownAccount
	case !e.Expiry.IsZero() && e.Expiry.Before(time.Now()):
		return event.ReasonExpired
	case e.DataDefect != nil:
		return e.DataDefect.Reason
	}
	return ""
}

func TestGoldenEnvelopes(t *testing.T) {
	file, err := os.ReadFile("testdata/envelope.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []example
	if err := json.Unmarshal(file, &examples); err != nil {
		t.Fatal(err)
	}
	if len(examples) != 26 {
		t.Fatalf("%d examples, want 26", len(examples))
	}
	for _, x := range examples {
		t.Run(x.Name, func(t *testing.T) {
			r := x.record(t)
			before := bytes.Clone(r.Value)
			e, defect := (&event.Decoder{MaxBytes: 900 << 10}).Decode(r)
			if !bytes.Equal(before, r.Value) {
				t.Error("the value was changed")
			}
			wants := x.ExpectAny
			if x.Expect != nil {
				wants = append(wants, *x.Expect)
			}
			got := verdict(e, defect)
			ok := false
			for _, want := range wants {
				ok = ok || got == want.Reason
			}
			if !ok {
				t.Fatalf("reason %q, want one of %+v (defect %+v, data defect %+v)", got, wants, defect, e.DataDefect)
			}
			if got != "" {
				return
			}
			// At this level the data holds the parameters, numbers as they were written.
			data := map[string]string{}
			for name, value := range e.Data {
				switch v := value.(type) {
				case string:
					data[name] = v
				case json.Number:
					data[name] = v.String()
				}
			}
			if !reflect.DeepEqual(data, wants[0].Params) {
				t.Errorf("data %v, want %v", data, wants[0].Params)
			}
			if e.Source != "/wms/hangzhou-1" || e.ID == "" {
				t.Errorf("source %q, id %q", e.Source, e.ID)
			}
		})
	}
}
