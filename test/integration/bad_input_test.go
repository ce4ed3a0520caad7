package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/event"
)

// badInput are records that cannot be delivered, with the reason and the pointer of their letters.
func badInput() []struct {
	name, reason, pointer string
	event                 *ev
} {
	good := func() *ev { return logistics.event(5000) }
	value := func(text string) *ev {
		e := good()
		e.record.Value = []byte(text)
		e.kind = nil
		return e
	}
	invalid := func(members map[string]any) *ev { return good().and(members) }
	unread := func(e *ev) *ev { // the oracle must not expect that it was read
		e.kind = nil
		return e
	}
	absent := value("")
	absent.record.Value = nil
	structured := raw(event.Record{Key: []byte("5000"), Value: []byte(`{"specversion":"1.0","type":`), Headers: []event.Header{
		{Key: "content-type", Value: []byte("application/cloudevents+json")},
	}})
	deep := `{"logistics_order_id":5000,"status_code":"create","goods_info":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`
	return []struct {
		name, reason, pointer string
		event                 *ev
	}{
		{"no value", "malformed_event", "", absent},
		{"empty value", "malformed_event", "", value("")},
		{"no JSON", "malformed_event", "", value("order 5000 created")},
		{"byte order mark", "malformed_event", "", value("\ufeff{}")},
		{"two values", "malformed_event", "", value(`{"logistics_order_id":5000,"status_code":"create"}{}`)},
		{"not UTF-8", "malformed_event", "", value("{\"comment\":\"\xe4\xb8\"}")},
		{"lone surrogate", "malformed_event", "", value(`{"comment":"\ud800"}`)},
		{"envelope cut off", "malformed_event", "", structured},
		{"no headers", "malformed_event", "", raw(event.Record{Value: []byte(`{"logistics_order_id":5000}`)})},
		{"id empty", "malformed_event", "", unread(good().named(""))},
		{"expiry unreadable", "malformed_event", "", unread(good().header("ce_expirytime", "tomorrow"))},
		{"attribute not UTF-8", "malformed_event", "", unread(good().header("ce_subject", "\xff"))},
		{"specversion", "unsupported_format", "", unread(good().header("ce_specversion", "0.3"))},
		{"schema registry", "unsupported_format", "", value("\x00\x00\x00\x00\x07avro")},
		{"XML", "unsupported_format", "", unread(good().header("content-type", "text/xml"))},
		{"batch", "unsupported_format", "", unread(good().header("content-type", "application/cloudevents-batch+json"))},
		{"unknown type", "unknown_type", "", unread(good().header("ce_type", "top.nothing.v1"))},
		{"unknown account", "unknown_account", "", good().by("nobody")},
		{"expired", "expired", "", good().header("ce_expirytime", "2020-01-01T00:00:00Z")},
		{"expired and invalid", "expired", "", invalid(map[string]any{"nonsense": 1}).header("ce_expirytime", "2020-01-01T00:00:00Z")},
		{"data is a list", "invalid_data", "", unreadData(good(), `[{"logistics_order_id":5000}]`)},
		{"member twice", "invalid_data", "/status_code", unreadData(good(), `{"logistics_order_id":5000,"status_code":"create","status_code":"cancel"}`)},
		{"nested too deep", "invalid_data", "/goods_info", unreadData(good(), deep)},
		{"number beyond a long", "invalid_data", "/volume", unreadData(good(), `{"logistics_order_id":5000,"status_code":"create","volume":1e400}`)},
		{"missing", "invalid_data", "/status_code", invalid(map[string]any{"status_code": nil})},
		{"unknown field", "invalid_data", "/Comment", invalid(map[string]any{"Comment": "x"})},
		{"wrong type", "invalid_data", "/logistics_order_id", invalid(map[string]any{"logistics_order_id": "5000"})},
	}
}

// unreadData gives an event data that is no object that Go could write.
func unreadData(e *ev, data string) *ev {
	e.record.Value = []byte(data)
	return e
}

// TestBadInput: one dead letter for each bad event, byte for byte, with the reason and the field, without an attempt, and
// the next event of the same partition and key flows.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	inputs := badInput()
	for _, in := range inputs {
		r.publish(in.event, logistics.event(5000))
	}
	r.sampleCommits()
	r.start()
	r.await(2 * len(inputs))
	r.stop()
	fates := r.audit(claims{})
	for _, in := range inputs {
		letter := r.letterOf(fates, in.event)
		if got := header(letter, "toprelay-reason"); got != in.reason {
			t.Errorf("%s: reason %s, want %s: %s", in.name, got, in.reason, header(letter, "kafka_dlt-exception-message"))
		}
		got := header(letter, "toprelay-pointer")
		if in.name == "nested too deep" { // the place where it became too deep lies below
			got = got[:min(len(in.pointer), len(got))]
		}
		if got != in.pointer && (in.pointer != "" || in.reason != "invalid_data") {
			t.Errorf("%s: pointer %q, want %q", in.name, got, in.pointer)
		}
		if got := header(letter, "toprelay-attempts"); got != "0" {
			t.Errorf("%s: %s attempts", in.name, got)
		}
	}
	if got := tally(fates)["logistics delivered"]; got != len(inputs) {
		t.Errorf("%d events between the bad ones were delivered, want %d", got, len(inputs))
	}
}

// TestLettersKeepEveryByte writes records that Kafka allows and nobody expects, and reads their letters with a client of
// another make.
func TestLettersKeepEveryByte(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	odd := []event.Header{
		{Key: "absent", Value: nil}, {Key: "empty", Value: []byte{}}, {Key: "twice", Value: []byte("1")}, {Key: "", Value: []byte("no name")},
		{Key: "twice", Value: []byte{0, 0xff, 0xfe}}, {Key: "toprelay-reason", Value: []byte("a publisher's own")}, {Key: "名", Value: []byte("值")},
	}
	var records []event.Record
	for _, key := range [][]byte{nil, {}, []byte("k"), {0, 0xff}} {
		for _, value := range [][]byte{nil, {}, []byte("\x00\xff no event"), []byte("{}")} {
			for _, headers := range [][]event.Header{nil, odd} {
				records = append(records, event.Record{Key: key, Value: value, Headers: headers})
			}
		}
	}
	for i := range records {
		r.publish(raw(records[i]).at(0))
	}
	r.start()
	r.await(len(records))
	r.stop()
	r.audit(claims{})
	c := r.other(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{r.dead(): {0: kgo.NewOffset().AtStart()}}))
	var letters []*kgo.Record
	for len(letters) < len(records) {
		fetches := c.PollFetches(r.ctx())
		r.must(fetches.Err())
		letters = append(letters, fetches.Records()...)
	}
	// Letters of one partition stand in the order in which they were given up, which is not that of their offsets.
	byOffset := make([]*kgo.Record, len(records))
	for _, l := range letters {
		for _, h := range l.Headers {
			if h.Key == "kafka_dlt-original-offset" {
				byOffset[h.Value[7]] = l
			}
		}
	}
	for i, l := range byOffset {
		want := r.published[i].record
		if l == nil {
			t.Errorf("record %d has no letter", i)
			continue
		}
		if !same(l.Key, want.Key) || !same(l.Value, want.Value) {
			t.Errorf("record %d: key %s and value %s, want %s and %s", i, show(l.Key), show(l.Value), show(want.Key), show(want.Value))
		}
		for n, h := range want.Headers {
			if l.Headers[n].Key != h.Key || !same(l.Headers[n].Value, h.Value) {
				t.Errorf("record %d: header %d is %q %s, want %q %s", i, n, l.Headers[n].Key, show(l.Headers[n].Value), h.Key, show(h.Value))
			}
		}
	}
}

// TestOversized: what is larger than max_event_bytes becomes a reference unread, up to what the broker takes; what is
// just as large is an event.
func TestOversized(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1, noTopics: true})
	for _, topic := range []string{r.status(), r.work(), r.dead(), r.actions()} {
		size := int64(0)
		if topic == r.status() {
			size = 4 << 20
		}
		r.create(topic, broker.Settings{MaxMessageBytes: size})
	}
	limit := 64 << 10
	r.configure(fmt.Sprintf("consumer.max_event_bytes=%dB", limit))
	exact := sized(logistics.event(1), limit)
	above := sized(logistics.event(2), limit+1)
	huge := sized(logistics.event(3), 2<<20)
	r.publish(exact, above)
	r.publishLarge(huge)
	r.publish(logistics.event(4))
	r.start()
	r.await(4)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"logistics delivered": 2, "logistics oversized": 2})
	for _, e := range []*ev{above, huge} {
		letter, sum := r.letterOf(fates, e), sha256.Sum256(e.record.Value)
		if letter.Value != nil || header(letter, "toprelay-size") != fmt.Sprint(len(e.record.Value)) || header(letter, "toprelay-sha256") != hex.EncodeToString(sum[:]) {
			t.Errorf("the letter of a record of %d bytes holds %d bytes and says size %s, sha256 %s",
				len(e.record.Value), len(letter.Value), header(letter, "toprelay-size"), header(letter, "toprelay-sha256"))
		}
	}
}

// sized makes the record of an event n bytes large, as max_event_bytes counts, with the header that publish adds.
func sized(e *ev, n int) *ev {
	e.and(map[string]any{"comment": e.mark})
	e.and(map[string]any{"comment": e.mark + strings.Repeat("x", n-e.record.Size()-len(place().Key)-len(place().Value))})
	return e
}

// publishLarge writes one event that kafka-go's writer would not take.
func (r *relay) publishLarge(e *ev) {
	r.t.Helper()
	e.topic = r.status()
	e.record.Headers = append(e.record.Headers, place())
	record := &kgo.Record{Topic: e.topic, Key: e.record.Key, Value: e.record.Value}
	for _, h := range e.record.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	r.must(r.other(kgo.ProducerBatchMaxBytes(8<<20)).ProduceSync(r.ctx(), record).FirstErr())
	r.published = append(r.published, e)
}
