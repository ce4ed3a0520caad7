package event_test

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/event"
)

// checkDecode decodes a record and checks what holds for every one. It returns the event where there is no defect.
func checkDecode(t *testing.T, d *event.Decoder, r *event.Record) (event.Event, *event.Defect) {
	t.Helper()
	before := bytes.Clone(r.Value)
	e, defect := d.Decode(r)
	again, defectAgain := d.Decode(r)
	if !reflect.DeepEqual(e, again) || !reflect.DeepEqual(defect, defectAgain) {
		t.Fatalf("two results of one record:\n%+v %+v\n%+v %+v", e, defect, again, defectAgain)
	}
	if !bytes.Equal(before, r.Value) {
		t.Fatal("the value was changed")
	}
	if defect != nil {
		if e.Data != nil || e.DataDefect != nil {
			t.Fatalf("data beside defect %+v", defect)
		}
		if defect.Pointer != "" || defect.Reason != event.ReasonMalformedEvent && defect.Reason != event.ReasonUnsupportedFormat {
			t.Fatalf("defect %+v", defect)
		}
		return e, defect
	}
	if e.ID == "" || e.Source == "" || e.Type == "" || e.Account == "" || strings.TrimSpace(e.Account) == "" {
		t.Fatalf("without a defect: %+v", e)
	}
	for _, text := range []string{e.ID, e.Source, e.Type, e.Subject, e.Account} {
		if !utf8.ValidString(text) {
			t.Fatalf("not UTF-8: %q", text)
		}
	}
	if (e.Data == nil) != (e.DataDefect != nil) {
		t.Fatalf("data %v beside data defect %+v", e.Data, e.DataDefect)
	}
	if dd := e.DataDefect; dd != nil && (dd.Reason != event.ReasonInvalidData || len(dd.Pointer) > 512 ||
		event.CheckPointer(dd.Pointer) != nil || !utf8.ValidString(dd.Pointer)) {
		t.Fatalf("data defect %+v", dd)
	}
	return e, nil
}

// checkAgain writes the data anew and decodes it: it must be the same data.
func checkAgain(t *testing.T, data map[string]any) {
	t.Helper()
	text, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*event.Record{binary(string(text)), structured(envelope(`,"data":` + string(text)))} {
		e, defect := (&event.Decoder{}).Decode(r)
		if defect != nil || !reflect.DeepEqual(e.Data, data) {
			t.Fatalf("written anew: %+v, %+v\n%#v\n%#v", defect, e.DataDefect, data, e.Data)
		}
	}
}

// parse reads JSON by the standard library, which is laxer.
func parse(text []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil || !json.Valid(text) {
		return nil, false
	}
	return v, true
}

// checkValueAgainst compares the result for a value that is data as a whole with the standard library's.
func checkValueAgainst(t *testing.T, value []byte, e event.Event, readable bool) {
	t.Helper()
	v, valid := parse(value)
	switch {
	case readable && !valid && e.DataDefect == nil:
		t.Fatalf("decoded what is no JSON: %q", value)
	case readable && e.Data != nil && !reflect.DeepEqual(any(e.Data), v):
		t.Fatalf("other data than encoding/json:\n%#v\n%#v", e.Data, v)
	case !readable && valid && utf8.Valid(value) && !bytes.Contains(value, []byte(`\u`)):
		t.Fatalf("malformed, though it is JSON: %q", value)
	}
}

func FuzzDecodeBinary(f *testing.F) {
	for _, value := range []string{`{"a":1}`, `{"a":[{"b":null},"\ud83d\ude00",1e400,true]}`, `{"a":1,"a":2}`, `[]`, "\x00\x00", `{"a":"\ud800"}`, nested(600, true), ""} {
		f.Add([]byte(value), "1.0", "id", "application/json", "2030-01-01T00:00:00Z")
	}
	f.Add([]byte(`{}`), "0.3", "", "text/plain", "never")
	f.Add([]byte(`{}`), "1.0", "\xff", "application/cloudevents-batch+json", "2030-01-01T1:00:00,5+24:00")
	f.Fuzz(func(t *testing.T, value []byte, specversion, id, contentType, expiry string) {
		r := &event.Record{Topic: "t", Value: value, Headers: headers("ce_specversion", specversion, "ce_type", "a.v1", "ce_source", "/s",
			"ce_id", id, "content-type", contentType, "ce_expirytime", expiry, "ce_topaccount", id, "ce_time", expiry)}
		e, defect := checkDecode(t, &event.Decoder{}, r)
		if defect == nil && e.Data != nil {
			checkAgain(t, e.Data)
		}
		// the value alone, so that the headers do not hide it
		e, defect = checkDecode(t, &event.Decoder{}, binary(string(value)))
		if len(value) > 0 && value[0] != 0 {
			checkValueAgainst(t, value, e, defect == nil)
		}
	})
}

func FuzzDecodeStructured(f *testing.F) {
	for _, more := range []string{`,"data":{"a":1}`, `,"data":null`, `,"data_base64":"e30="`, `,"data":{},"data":{}`, `,"topaccount":1,"data":{"a":1,"a":1}`,
		`,"expirytime":"2030-01-01T00:00:00+08:00","time":"x","subject":null,"x":[{}],"data":{"":[]}`, `,"data":` + nested(600, false)} {
		f.Add([]byte(envelope(more)))
	}
	f.Add([]byte(`[{}]`))
	f.Add([]byte(`{"data":{},"i\u0064":"x","specversion":"1.0"`))
	f.Fuzz(func(t *testing.T, value []byte) {
		e, defect := checkDecode(t, &event.Decoder{}, structured(string(value)))
		if defect != nil {
			return
		}
		if e.Data != nil {
			checkAgain(t, e.Data)
		}
		v, valid := parse(value)
		if !valid {
			if e.DataDefect == nil {
				t.Fatalf("decoded what is no JSON: %q", value)
			}
			return
		}
		members := v.(map[string]any)
		if members["id"] != e.ID || members["type"] != e.Type || members["source"] != e.Source {
			t.Fatalf("other attributes than encoding/json: %+v, %v", e, members)
		}
		if e.Data != nil && members["data"] != nil && !reflect.DeepEqual(members["data"], any(e.Data)) {
			t.Fatalf("other data than encoding/json:\n%#v\n%#v", e.Data, members["data"])
		}
	})
}

func FuzzDecodePlain(f *testing.F) {
	for _, value := range []string{`{"id":"a","n":1}`, `{"id":"a","n":1,"x":{"y":1,"y":1}}`, `{"id":"","n":{}}`, `["a"]`, `{"id":"` + "\u5f20" + `","n":1e400}`, "\x00"} {
		f.Add([]byte(value), "/id", "/n")
	}
	f.Add([]byte(`{"a/b":[{"~":"x"}]}`), "/a~1b/0/~0", "")
	f.Fuzz(func(t *testing.T, value []byte, first, second string) {
		one := &event.Decoder{Plain: map[string]event.Plain{"plain": {Type: "p", Source: "/p", ID: []string{first}}}}
		two := &event.Decoder{Plain: map[string]event.Plain{"plain": {Type: "p", Source: "/p", ID: []string{first, second}}}}
		r := &event.Record{Topic: "plain", Value: value}
		e, defect := checkDecode(t, one, r)
		both, defectBoth := checkDecode(t, two, r)
		if defect != nil {
			if defectBoth == nil {
				t.Fatalf("an id of two parts without its first: %q", both.ID)
			}
			return
		}
		if e.Data != nil {
			checkAgain(t, e.Data)
			checkValueAgainst(t, value, e, true)
		}
		if defectBoth == nil && !strings.Contains(both.ID, ":"+e.ID) {
			t.Fatalf("id %q of two parts does not hold %q", both.ID, e.ID)
		}
	})
}
