package recordjson

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/toprelay/worker/internal/event"
)

func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	content := rapid.OneOf(
		rapid.Just([]byte(nil)), rapid.Just([]byte{}), rapid.SliceOf(rapid.Byte()),
		rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
	)
	headers := rapid.SliceOf(rapid.Custom(func(t *rapid.T) event.Header {
		return event.Header{Key: rapid.String().Draw(t, "name"), Value: content.Draw(t, "header")}
	}))
	rapid.Check(t, func(t *rapid.T) {
		in := event.Record{
			Topic: "t", Partition: rapid.IntRange(0, 9).Draw(t, "partition"), Offset: rapid.Int64Min(0).Draw(t, "offset"),
			Key: content.Draw(t, "key"), Value: content.Draw(t, "value"), Headers: headers.Draw(t, "headers"),
			Time: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "time")),
		}
		text, err := Marshal(&in)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(text, "\n\r") {
			t.Fatalf("more than one line: %s", text)
		}
		out, err := Unmarshal(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if out.Topic != in.Topic || out.Partition != in.Partition ||
			!same(out.Key, in.Key) || !same(out.Value, in.Value) || len(out.Headers) != len(in.Headers) {
			t.Fatalf("got %+v, want %+v", out, in)
		}
		for i, h := range in.Headers {
			if out.Headers[i].Key != h.Key || !same(out.Headers[i].Value, h.Value) {
				t.Fatalf("header %d: got %+v, want %+v", i, out.Headers[i], h)
			}
		}
	})
}

func TestMarshal(t *testing.T) {
	r := event.Record{
		Topic: "top.work-orders", Partition: 3, Offset: 42, Time: time.UnixMilli(1767323045678),
		Key: []byte("<订单>"), Value: []byte{0, 0xff},
		Headers: []event.Header{{Key: "ce_id", Value: []byte("1")}, {Key: "absent"}, {Key: "empty", Value: []byte{}}},
	}
	got, err := Marshal(&r)
	want := `{"topic":"top.work-orders","partition":3,"offset":42,"time":"2026-01-02T03:04:05.678Z","key":"<订单>",` +
		`"value":{"base64":"AP8="},"headers":[["ce_id","1"],["absent",null],["empty",""]]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	if _, err := Marshal(&event.Record{Headers: []event.Header{{Key: "\xff"}}}); err == nil {
		t.Error("a header's name that is not UTF-8 was written")
	}
}

func TestUnmarshalOfAShortLine(t *testing.T) {
	r, err := Unmarshal([]byte(`{"topic":"t","value":"v"}`))
	if err != nil || r.Partition != NoPartition || r.Key != nil || string(r.Value) != "v" || r.Headers != nil {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestUnmarshalDoesNotReadOffsetAndTime(t *testing.T) {
	for _, members := range []string{
		`"offset":7,"time":"2026-01-02T03:04:05Z"`, `"offset":"7","time":"2020"`, `"offset":1e999,"time":1767323045678`,
		`"offset":null,"time":null`, `"offset":{"a":[]},"time":[]`,
	} {
		r, err := Unmarshal([]byte(`{"topic":"t",` + members + `,"value":"v"}`))
		if err != nil || string(r.Value) != "v" || r.Offset != 0 || !r.Time.IsZero() {
			t.Errorf("%s: got %+v, %v", members, r, err)
		}
	}
	if _, err := Unmarshal([]byte(`{"topic":"t","time":2020-01-01,"value":"v"}`)); err == nil {
		t.Error("a line that is not JSON was read")
	}
}

func TestUnmarshalRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   "EOF",
		`[]`:                                 "cannot unmarshal",
		`{"topic":"t"} {}`:                   "more than one",
		`{"topic":"t","val":"x"}`:            "unknown field",
		`{"topic":"t","value":1}`:            "a string",
		`{"topic":"t","value":{}}`:           "a string",
		`{"topic":"t","value":{"b":"x"}}`:    "a string",
		`{"value":{"base64":"*"}}`:           "base64",
		`{"headers":{"a":"b"}}`:              "cannot unmarshal",
		`{"headers":[["a"]]}`:                "an array of its name",
		`{"headers":[[1,"b"]]}`:              "name",
		`{"headers":[["a",7]]}`:              "header a",
		`{"partition":-1}`:                   "negative",
		"{\"topic\":\"t\",\"key\":\"\xff\"}": "not UTF-8",
	} {
		if _, err := Unmarshal([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want an error with %q", text, err, want)
		}
	}
}

func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"topic":"t","partition":1,"key":null,"value":{"base64":"AP8="},"headers":[["a","b"],["a",null]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Unmarshal(data)
		if err != nil {
			return
		}
		if r.Partition == NoPartition {
			r.Partition = 0
		}
		again, err := Marshal(&r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Unmarshal(again); err != nil || !same(back.Value, r.Value) || !same(back.Key, r.Key) {
			t.Fatalf("%s came back as %+v, %v", again, back, err)
		}
	})
}
