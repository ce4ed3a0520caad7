package event_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/toprelay/worker/internal/event"
)

func TestSizeGate(t *testing.T) {
	r := binary(`{"a":1}`, "x", "yz")
	r.Key = []byte("key")
	size := r.Size()
	if want := 3 + 7 + len("ce_specversion1.0ce_typea.v1ce_source/sce_id1xyz"); size != want {
		t.Fatalf("size %d, want %d", size, want)
	}
	if e, defect := (&event.Decoder{MaxBytes: size}).Decode(r); defect != nil || e.Data == nil {
		t.Errorf("exactly MaxBytes: %+v", defect)
	}
	e, defect := (&event.Decoder{MaxBytes: size - 1}).Decode(r)
	if defect == nil || defect.Reason != event.ReasonOversized {
		t.Fatalf("one byte more than MaxBytes: %+v", defect)
	}
	if e.Data != nil || e.ID != "1" || e.Type != "a.v1" || e.Source != "/s" {
		t.Errorf("an oversized event is named by its headers and not parsed: %+v", e)
	}

	// never parsed: what is no JSON, and what is no CloudEvent, is oversized all the same
	for _, r := range []*event.Record{binary("\x00x"), structured("{"), {Value: []byte("xy")}} {
		if _, defect := (&event.Decoder{MaxBytes: r.Size() - 1}).Decode(r); defect == nil || defect.Reason != event.ReasonOversized {
			t.Errorf("%q: %+v", r.Value, defect)
		}
	}

	// a header of megabytes does not become an id
	r = binary("{}", "ce_id", strings.Repeat("x", 1<<20), "traceparent", strings.Repeat("y", 1<<20))
	if e, _ := (&event.Decoder{MaxBytes: 1000}).Decode(r); e.ID != "" || e.Type != "a.v1" || e.Traceparent != "" {
		t.Errorf("id of %d bytes, type %q, traceparent of %d bytes", len(e.ID), e.Type, len(e.Traceparent))
	}
	// without an account in the headers it is not known
	if e, _ := (&event.Decoder{MaxBytes: 1}).Decode(structured(envelope(`,"topaccount":"x","data":{}`))); e.Account != "" {
		t.Errorf("account %q of an envelope that was not read", e.Account)
	}
}

// No text of a defect may hold a value: it goes into dead letters and logs.
func TestDefectsHoldNoValues(t *testing.T) {
	const secret = "13800000000"
	records := []*event.Record{
		binary(`{"mobile":"` + secret + `"`), binary(`{"mobile":"` + secret + `"}x`), binary(`{"m":"` + secret + `","m":"` + secret + `"}`),
		binary(`"` + secret + `"`), binary(`{}`, "ce_expirytime", secret), binary(`{}`, "ce_specversion", secret),
		binary(`{}`, "content-type", secret), binary(`{}`, "ce_id", secret+"\xff"), binary(`{"a":` + secret + `x}`),
		structured(envelope(`,"topaccount":{"a":"` + secret + `"},"data":{}`)), structured(envelope(`,"data_base64":"` + secret + `"`)),
		structured(envelope(`,"data":{},"subject":"` + secret + `","subject":"` + secret + `"`)),
	}
	for _, r := range records {
		e, defect := (&event.Decoder{}).Decode(r)
		if defect == nil {
			defect = e.DataDefect
		}
		if defect == nil {
			t.Errorf("%s: no defect", r.Value)
		} else if strings.Contains(defect.Message+defect.Pointer, secret) || defect.Message == "" {
			t.Errorf("%s: %+v", r.Value, defect)
		}
	}
}

// Readers are pooled: what one event holds must not change when others are decoded.
func TestConcurrentDecodes(t *testing.T) {
	d := &event.Decoder{}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			name := strings.Repeat(string(rune('a'+w)), 20)
			good := binary(`{"name":"` + name + `","escaped":"\u0041` + name + `","list":["` + name + `",{"n":1` + name[:0] + `}]}`)
			bad := binary(`{"name":["` + name + `",{"x":`)
			var kept []event.Event
			for range 200 {
				d.Decode(bad)
				e, defect := d.Decode(good)
				if defect != nil {
					t.Errorf("%+v", defect)
					return
				}
				kept = append(kept, e)
			}
			for _, e := range kept {
				if e.Data["name"] != name || e.Data["escaped"] != "A"+name || e.Data["list"].([]any)[0] != name {
					t.Errorf("data %v", e.Data)
				}
			}
		})
	}
	wg.Wait()
}

// A reader that has read something big is as good as a new one.
func TestBigThenSmall(t *testing.T) {
	d := &event.Decoder{}
	big := binary(`{"text":"` + strings.Repeat(`\n`, 50000) + `","list":[` + strings.Repeat("1,", 50000) + `1]}`)
	for range 3 {
		e, defect := d.Decode(big)
		if defect != nil || e.Data["text"] != strings.Repeat("\n", 50000) || len(e.Data["list"].([]any)) != 50001 {
			t.Fatalf("%+v, %+v", defect, e.DataDefect)
		}
		if e, defect := d.Decode(binary(`{"a":"\u0041"}`)); defect != nil || len(e.Data) != 1 || e.Data["a"] != "A" {
			t.Fatalf("%+v, data %v", defect, e.Data)
		}
	}
}

func TestManyHeaders(t *testing.T) {
	r := binary(`{}`)
	for range 10000 {
		r.Headers = append(r.Headers, event.Header{Key: "ce_x", Value: []byte{0xff}})
	}
	r.Headers = append(r.Headers, headers("ce_x", "good", "ce_id", "last")...)
	if e, defect := (&event.Decoder{}).Decode(r); defect != nil || e.ID != "last" {
		t.Errorf("id %q, defect %+v", e.ID, defect)
	}
}
