package event_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/event"
)

// headers builds headers from pairs of name and value.
func headers(pairs ...string) []event.Header {
	var hs []event.Header
	for i := 0; i < len(pairs); i += 2 {
		hs = append(hs, event.Header{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return hs
}

// binary builds a good event in binary mode, with more headers after the required ones.
func binary(value string, more ...string) *event.Record {
	return &event.Record{Topic: "t", Value: []byte(value), Headers: headers(append([]string{
		"ce_specversion", "1.0", "ce_type", "a.v1", "ce_source", "/s", "ce_id", "1"}, more...)...)}
}

// structured builds a record in structured mode.
func structured(value string, more ...string) *event.Record {
	return &event.Record{Topic: "t", Value: []byte(value),
		Headers: headers(append([]string{"content-type", "application/cloudevents+json"}, more...)...)}
}

// envelope builds a good envelope with more members at its end.
func envelope(more string) string {
	return `{"specversion":"1.0","type":"a.v1","source":"/s","id":"1"` + more + `}`
}

// reasonOf is the reason of the defect, or else of the data defect.
func reasonOf(e event.Event, defect *event.Defect) event.Reason {
	switch {
	case defect != nil:
		return defect.Reason
	case e.DataDefect != nil:
		return e.DataDefect.Reason
	}
	return ""
}

func TestReasons(t *testing.T) {
	const (
		ok          = event.Reason("")
		malformed   = event.ReasonMalformedEvent
		unsupported = event.ReasonUnsupportedFormat
		invalid     = event.ReasonInvalidData
	)
	without := func(r *event.Record, name string) *event.Record {
		var hs []event.Header
		for _, h := range r.Headers {
			if h.Key != name {
				hs = append(hs, h)
			}
		}
		r.Headers = hs
		return r
	}
	nullValue := func(r *event.Record) *event.Record { r.Value = nil; return r }
	nullHeader := func(r *event.Record, name string) *event.Record {
		r.Headers = append(r.Headers, event.Header{Key: name})
		return r
	}
	packed := func(data string) string {
		return envelope(`,"data_base64":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"`)
	}
	tests := []struct {
		name   string
		record *event.Record
		want   event.Reason
	}{
		// values that no mode reads
		{"binary", binary(`{"a":1}`), ok},
		{"null value", nullValue(binary("")), malformed},
		{"empty value", binary(""), malformed},
		{"blank value", binary(" \n"), malformed},
		{"null value, structured", nullValue(structured("")), malformed},
		{"null value before the format", nullValue(structured("", "content-type", "application/cloudevents+avro")), malformed},
		{"byte order mark", binary("\xef\xbb\xbf{}"), malformed},
		{"byte order mark, structured", structured("\xef\xbb\xbf" + envelope(`,"data":{}`)), malformed},
		{"UTF-16", binary("{\x00}\x00"), malformed},
		{"not UTF-8 in a string", binary("{\"a\":\"\xe4\xb8\"}"), malformed},
		{"not UTF-8 in a name", binary("{\"a\xff\":1}"), malformed},
		{"surrogates as UTF-8", binary("{\"a\":\"\xed\xa0\x80\"}"), malformed},
		{"overlong UTF-8", binary("{\"a\":\"\xc0\xaf\"}"), malformed},
		{"lone high surrogate", binary(`{"a":"\ud800"}`), malformed},
		{"lone low surrogate", binary(`{"a":"\uDC00x"}`), malformed},
		{"surrogates the wrong way round", binary(`{"a":"\udc00\ud800"}`), malformed},
		{"high surrogate before an escape", binary(`{"a":"\ud800\n"}`), malformed},
		{"lone surrogate in a name", binary(`{"\ud800":1}`), malformed},
		{"surrogate pair", binary(`{"a":"\ud83d\ude00"}`), ok},
		{"NUL escaped", binary(`{"a":"\u0000"}`), ok},
		{"NUL raw", binary("{\"a\":\"\x00\"}"), malformed},
		{"raw control character", binary("{\"a\":\"\n\"}"), malformed},
		{"DEL is no control character of JSON", binary("{\"a\":\"\x7f\"}"), ok},
		{"unknown escape", binary(`{"a":"\x41"}`), malformed},
		{"two values", binary(`{} {}`), malformed},
		{"two values without a blank", binary(`{}{}`), malformed},
		{"trailing text", binary(`{}x`), malformed},
		{"trailing comma", binary(`{},`), malformed},
		{"trailing NUL", binary("{}\x00"), malformed},
		{"trailing blanks", binary("{} \r\n\t"), ok},
		{"form feed is no blank", binary("{}\f"), malformed},
		{"comma before }", binary(`{"a":1,}`), malformed},
		{"comma before ]", binary(`{"a":[1,]}`), malformed},
		{"no colon", binary(`{"a" 1}`), malformed},
		{"no value", binary(`{"a":}`), malformed},
		{"name without quotes", binary(`{a:1}`), malformed},
		{"number as a name", binary(`{1:1}`), malformed},
		{"single quotes", binary(`{'a':1}`), malformed},
		{"comment", binary(`{/**/}`), malformed},
		{"unfinished", binary(`{"a":[{"b":"`), malformed},
		{"mismatched brackets", binary(`{"a":[}]`), malformed},
		{"NaN", binary(`{"a":NaN}`), malformed},
		{"Infinity", binary(`{"a":-Infinity}`), malformed},
		{"leading zero", binary(`{"a":01}`), malformed},
		{"plus sign", binary(`{"a":+1}`), malformed},
		{"bare point", binary(`{"a":1.}`), malformed},
		{"hexadecimal", binary(`{"a":0x1}`), malformed},
		{"True", binary(`{"a":True}`), malformed},
		{"nul", binary(`{"a":nul}`), malformed},
		{"1e400", binary(`{"a":1e400}`), ok},
		{"no JSON after a member named twice", binary(`{"a":1,"a":2,"b":}`), malformed},
		{"lone surrogate after a member named twice", binary(`{"a":1,"a":"\ud800"}`), malformed},

		// schema-registry frames
		{"frame", binary("\x00\x00\x00\x00\x07{}"), unsupported},
		{"short frame", binary("\x00"), unsupported},
		{"frame without attributes", &event.Record{Value: []byte("\x00\x00\x00\x00\x07{}")}, unsupported},
		{"frame, structured", structured("\x00\x00\x00\x00\x07{}"), unsupported},
		{"frame in base64", structured(packed("\x00\x00\x00\x00\x07{}")), unsupported},
		{"frame by GUID is only no JSON", binary("\x01\x00\x00\x00\x07{}"), malformed},

		// content-type
		{"application/json", binary(`{}`, "content-type", "application/json"), ok},
		{"application/json in capitals", binary(`{}`, "content-type", "Application/JSON;charset=UTF-8"), ok},
		{"text/json", binary(`{}`, "content-type", "text/json"), ok},
		{"+json", binary(`{}`, "content-type", "application/vnd.wms.order+json; version=2"), ok},
		{"empty content-type", binary(`{}`, "content-type", ""), ok},
		{"null content-type", nullHeader(binary(`{}`), "content-type"), ok},
		{"xml", binary(`<a/>`, "content-type", "application/xml"), unsupported},
		{"text", binary(`{}`, "content-type", "text/plain"), unsupported},
		{"avro", binary(`{}`, "content-type", "application/avro"), unsupported},
		{"json as a type", binary(`{}`, "content-type", "json"), unsupported},
		{"jsonp", binary(`{}`, "content-type", "application/jsonp"), unsupported},
		{"content-type not UTF-8", binary(`{}`, "content-type", "\xff"), unsupported},
		{"content-type twice, the last is good", binary(`{}`, "content-type", "text/plain", "content-type", "application/json"), ok},
		{"content-type twice, the last is bad", binary(`{}`, "content-type", "application/json", "content-type", "text/plain"), unsupported},
		{"content-type in another case is another header", binary(`{}`, "Content-Type", "text/plain"), ok},
		{"structured by case", structured(envelope(`,"data":{}`), "content-type", "APPLICATION/CLOUDEVENTS+JSON"), ok},
		{"structured with parameters", structured(envelope(`,"data":{}`), "content-type", "application/cloudevents+json ; charset=utf-8"), ok},
		{"batch", structured(`[]`, "content-type", "application/cloudevents-batch+json"), unsupported},
		{"structured avro", structured("{}", "content-type", "application/cloudevents+avro"), unsupported},
		{"structured without a format", structured("{}", "content-type", "application/cloudevents"), unsupported},
		{"structured protobuf", structured("{}", "content-type", "application/cloudevents+protobuf; a=b"), unsupported},

		// required attributes
		{"no CloudEvent at all", &event.Record{Value: []byte(`{}`)}, malformed},
		{"no specversion", without(binary(`{}`), "ce_specversion"), malformed},
		{"no type", without(binary(`{}`), "ce_type"), malformed},
		{"no source", without(binary(`{}`), "ce_source"), malformed},
		{"no id", without(binary(`{}`), "ce_id"), malformed},
		{"empty specversion", binary(`{}`, "ce_specversion", ""), malformed},
		{"empty type", binary(`{}`, "ce_type", ""), malformed},
		{"empty source", binary(`{}`, "ce_source", ""), malformed},
		{"empty id", binary(`{}`, "ce_id", ""), malformed},
		{"null id", nullHeader(binary(`{}`), "ce_id"), malformed},
		{"specversion 0.3", binary(`{}`, "ce_specversion", "0.3"), unsupported},
		{"specversion 1.0.2", binary(`{}`, "ce_specversion", "1.0.2"), unsupported},
		{"specversion 1", binary(`{}`, "ce_specversion", "1"), unsupported},
		{"specversion twice, the last is good", &event.Record{Value: []byte(`{}`), Headers: headers(
			"ce_specversion", "0.3", "ce_type", "a", "ce_source", "s", "ce_id", "1", "ce_specversion", "1.0")}, ok},
		{"attributes in another case are other headers", without(binary(`{}`, "CE_ID", "1"), "ce_id"), malformed},

		// header text
		{"id not UTF-8", binary(`{}`, "ce_id", "\xff"), malformed},
		{"subject not UTF-8", binary(`{}`, "ce_subject", "\xff"), malformed},
		{"time not UTF-8", binary(`{}`, "ce_time", "\xff"), malformed},
		{"unknown extension not UTF-8", binary(`{}`, "ce_region", "\xff"), malformed},
		{"id not UTF-8, given again", binary(`{}`, "ce_id", "\xff", "ce_id", "2"), ok},
		{"unknown extension not UTF-8, given again", binary(`{}`, "ce_region", "\xff", "ce_region", "x"), ok},
		{"unknown extension given again, not UTF-8", binary(`{}`, "ce_region", "x", "ce_region", "\xff"), malformed},
		{"another header not UTF-8", binary(`{}`, "x-team", "\xff"), ok},

		// optional attributes
		{"unreadable time", binary(`{}`, "ce_time", "yesterday"), ok},
		{"expirytime without a zone", binary(`{}`, "ce_expirytime", "2030-01-01T00:00:00"), malformed},
		{"expirytime as in the data", binary(`{}`, "ce_expirytime", "2030-01-01 00:00:00"), malformed},
		{"expirytime empty", binary(`{}`, "ce_expirytime", ""), malformed},
		{"expirytime null", nullHeader(binary(`{}`), "ce_expirytime"), ok},
		{"expirytime with a one-digit hour", binary(`{}`, "ce_expirytime", "2030-01-01T1:00:00Z"), malformed},
		{"expirytime with a comma", binary(`{}`, "ce_expirytime", "2030-01-01T01:00:00,5Z"), malformed},
		{"expirytime with hour 24", binary(`{}`, "ce_expirytime", "2030-01-01T24:00:00Z"), malformed},
		{"expirytime with an offset of a day", binary(`{}`, "ce_expirytime", "2030-01-01T00:00:00+24:00"), malformed},
		{"expirytime on 30 February", binary(`{}`, "ce_expirytime", "2030-02-30T00:00:00Z"), malformed},
		{"expirytime in seconds", structured(envelope(`,"expirytime":1893456000,"data":{}`)), malformed},
		{"expirytime empty, structured", structured(envelope(`,"expirytime":"","data":{}`)), malformed},

		// envelope
		{"structured", structured(envelope(`,"data":{}`)), ok},
		{"envelope is a list", structured(`[` + envelope(`,"data":{}`) + `]`), malformed},
		{"envelope is text", structured(`"x"`), malformed},
		{"envelope is null", structured(`null`), malformed},
		{"envelope is cut off", structured(`{"specversion":"1.0","type":`), malformed},
		{"two envelopes", structured(envelope(`,"data":{}`) + envelope(`,"data":{}`)), malformed},
		{"trailing text after the envelope", structured(envelope(`,"data":{}`) + `]`), malformed},
		{"no data", structured(envelope(``)), malformed},
		{"null data", structured(envelope(`,"data":null`)), malformed},
		{"id is a number", structured(`{"specversion":"1.0","type":"a","source":"s","id":1,"data":{}}`), malformed},
		{"id is null", structured(`{"specversion":"1.0","type":"a","source":"s","id":null,"data":{}}`), malformed},
		{"id is empty", structured(`{"specversion":"1.0","type":"a","source":"s","id":"","data":{}}`), malformed},
		{"type is a list", structured(`{"specversion":"1.0","type":["a"],"source":"s","id":"1","data":{}}`), malformed},
		{"source is an object", structured(`{"specversion":"1.0","type":"a","source":{},"id":"1","data":{}}`), malformed},
		{"source is true", structured(`{"specversion":"1.0","type":"a","source":true,"id":"1","data":{}}`), malformed},
		{"specversion is a number", structured(`{"specversion":1.0,"type":"a","source":"s","id":"1","data":{}}`), malformed},
		{"specversion 0.3, structured", structured(`{"specversion":"0.3","type":"a","source":"s","id":"1","data":{}}`), unsupported},
		{"attribute in another case is another", structured(`{"specversion":"1.0","type":"a","source":"s","ID":"1","data":{}}`), malformed},
		{"id twice", structured(envelope(`,"id":"1","data":{}`)), malformed},
		{"id twice, once escaped", structured(envelope(`,"i\u0064":"2","data":{}`)), malformed},
		{"data twice", structured(envelope(`,"data":{},"data":{}`)), malformed},
		{"data twice, once null", structured(envelope(`,"data":null,"data":{}`)), malformed},
		{"unknown extension twice", structured(envelope(`,"region":1,"region":1,"data":{}`)), malformed},
		{"attribute twice after data with a member twice", structured(envelope(`,"data":{"a":1,"a":1},"id":"2"`)), malformed},
		{"two members of one name in an extension that is not read", structured(envelope(`,"x":{"a":1,"a":1},"data":{}`)), ok},
		{"lone surrogate in an extension that is not read", structured(envelope(`,"x":"\ud800","data":{}`)), malformed},
		{"topaccount is an object", structured(envelope(`,"topaccount":{},"data":{}`)), malformed},
		{"subject is a number", structured(envelope(`,"subject":1,"data":{}`)), ok},
		{"time is a number", structured(envelope(`,"time":1,"data":{}`)), ok},
		{"bad ce_ header beside an envelope", structured(envelope(`,"data":{}`), "ce_id", "\xff"), ok},

		// data_base64
		{"base64", structured(packed(`{"a":1}`)), ok},
		{"base64 beside null data", structured(strings.Replace(packed(`{}`), `,"data_base64"`, `,"data":null,"data_base64"`, 1)), ok},
		{"base64 beside data", structured(strings.Replace(packed(`{}`), `,"data_base64"`, `,"data":{},"data_base64"`, 1)), malformed},
		{"null base64", structured(envelope(`,"data_base64":null`)), malformed},
		{"null base64 beside data", structured(envelope(`,"data":{},"data_base64":null`)), ok},
		{"base64 is a number", structured(envelope(`,"data_base64":1`)), malformed},
		{"base64 is empty", structured(envelope(`,"data_base64":""`)), malformed},
		{"base64 is none", structured(envelope(`,"data_base64":"{}"`)), malformed},
		{"base64 of text", structured(packed(`hello`)), malformed},
		{"base64 of a list", structured(packed(`[]`)), invalid},
		{"base64 of members named twice", structured(packed(`{"a":1,"a":1}`)), invalid},

		// data
		{"data is a list", binary(`[{}]`), invalid},
		{"data is text", binary(`"{}"`), invalid},
		{"data is a number", binary(`1`), invalid},
		{"data is true", binary(`true`), invalid},
		{"value is the text null", binary(`null`), invalid},
		{"data is text, structured", structured(envelope(`,"data":"{}"`)), invalid},
		{"data is false, structured", structured(envelope(`,"data":false`)), invalid},
		{"member twice", binary(`{"a":1,"a":1}`), invalid},
		{"member twice, structured", structured(envelope(`,"data":{"a":1,"a":1}`)), invalid},
		{"member in two cases", binary(`{"mobile":1,"Mobile":1}`), ok},
		{"members that only look alike", binary(`{"\u00e9":1,"e\u0301":1}`), ok},
		{"member twice in a list that is the data", binary(`[{"a":1,"a":1}]`), invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := bytes.Clone(tt.record.Value)
			e, defect := (&event.Decoder{}).Decode(tt.record)
			if got := reasonOf(e, defect); got != tt.want {
				t.Fatalf("reason %q, want %q (defect %+v, data defect %+v)", got, tt.want, defect, e.DataDefect)
			}
			if (e.Data != nil) != (tt.want == "") {
				t.Errorf("data %v beside reason %q", e.Data, tt.want)
			}
			if !bytes.Equal(before, tt.record.Value) {
				t.Error("the value was changed")
			}
		})
	}
}
