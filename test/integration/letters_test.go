package integration

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/event"
)

// header is a header of a record as text, empty where it is absent; of several the last one.
func header(r event.Record, name string) string {
	value, _ := r.Header(name)
	return string(value)
}

// lettersByOrigin reads the dead-letter topic. Of letters with one id the first counts.
func (r *relay) lettersByOrigin() map[string]*event.Record {
	r.t.Helper()
	all := map[string]*event.Record{}
	ids := map[string]bool{}
	for _, letter := range r.letters() {
		if id := header(letter, "toprelay-id"); ids[id] {
			continue
		} else {
			ids[id] = true
		}
		partition, _ := letter.Header("kafka_dlt-original-partition")
		offset, _ := letter.Header("kafka_dlt-original-offset")
		if len(partition) != 4 || len(offset) != 8 {
			r.t.Errorf("a dead letter whose origin has %d and %d bytes, want 4 and 8", len(partition), len(offset))
			continue
		}
		at := origin(header(letter, "kafka_dlt-original-topic"), int(binary.BigEndian.Uint32(partition)), int64(binary.BigEndian.Uint64(offset)))
		if all[at] != nil {
			r.t.Errorf("two dead letters of %s with different ids", at)
		}
		all[at] = &letter
	}
	return all
}

// withoutCall are the reasons for which no call is made.
var withoutCall = []string{
	"malformed_event", "unsupported_format", "unknown_type", "invalid_data", "oversized", "unknown_account", "idempotency_conflict",
}

// checkLetters: each letter holds its record byte for byte and says truly why it is there (contract section 8).
func (r *relay) checkLetters(fates []fate, c claims) {
	r.t.Helper()
	if c.version == "" {
		c.version = "test"
	}
	for i := range fates {
		f := &fates[i]
		if f.Letter == nil {
			continue
		}
		r.checkOriginal(f)
		r.checkAdded(f, c)
	}
}

func (r *relay) checkOriginal(f *fate) {
	r.t.Helper()
	letter := f.Letter
	if !same(letter.Key, f.Record.Key) {
		r.t.Errorf("%s: the letter's key is %s, the record's %s", f, show(letter.Key), show(f.Record.Key))
	}
	if reference := header(*letter, "toprelay-sha256") != ""; !reference && !same(letter.Value, f.Record.Value) {
		r.t.Errorf("%s: the letter's value is %.200s, the record's %.200s", f, show(letter.Value), show(f.Record.Value))
	}
	if letter.Partition != f.Partition {
		r.t.Errorf("%s: its letter is in partition %d", f, letter.Partition)
	}
	for i, want := range f.Record.Headers {
		if i >= len(letter.Headers) || letter.Headers[i].Key != want.Key || !same(letter.Headers[i].Value, want.Value) {
			r.t.Errorf("%s: header %d of the record, %q, is not the letter's", f, i, want.Key)
		}
	}
}

// same compares bytes, absent and empty kept apart.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

func show(b []byte) string {
	if b == nil {
		return "absent"
	}
	return strconv.Quote(string(b))
}

var (
	hexID = regexp.MustCompile(`^[0-9a-f]{32}$`)
	times = []string{"toprelay-first-failed-at", "toprelay-failed-at"}
)

func (r *relay) checkAdded(f *fate, c claims) {
	r.t.Helper()
	added := map[string]string{}
	for _, h := range f.Letter.Headers[min(len(f.Record.Headers), len(f.Letter.Headers)):] {
		if _, twice := added[h.Key]; twice {
			r.t.Errorf("%s: its letter has two headers %s", f, h.Key)
		}
		added[h.Key] = string(h.Value)
	}
	made := len(f.Calls)
	if slices.Contains(withoutCall, f.Reason) {
		made = 0
		if len(f.Calls) > 0 && f.Reason != "idempotency_conflict" {
			r.t.Errorf("%s: %d calls of an event that is %s", f, len(f.Calls), f.Reason)
		}
	}
	repeat := f.Reason == "outcome_unknown" && added["toprelay-request-id"] == "" // made no call of its own, or one that was cut off
	attempts, err := strconv.Atoi(added["toprelay-attempts"])
	if repeat && c.restarted { // a call that its worker was killed in counts, although it may not have left
		made++
	}
	if err != nil || attempts > made {
		r.t.Errorf("%s: its letter says %q attempts, the gateway saw %d calls", f, added["toprelay-attempts"], made)
	}
	want := map[string]string{
		"kafka_dlt-original-topic":          f.Topic,
		"kafka_dlt-original-partition":      string(binary.BigEndian.AppendUint32(nil, uint32(f.Partition))),
		"kafka_dlt-original-offset":         string(binary.BigEndian.AppendUint64(nil, uint64(f.Offset))),
		"kafka_dlt-original-timestamp":      string(binary.BigEndian.AppendUint64(nil, uint64(f.Record.Time.UnixMilli()))),
		"kafka_dlt-original-consumer-group": r.name,
		"kafka_dlt-exception-fqcn":          f.Reason,
		"toprelay-reason":                   f.Reason,
		"toprelay-replays":                  "0",
		"toprelay-version":                  c.version,
	}
	if f.kind != nil && f.Reason != "malformed_event" && f.Reason != "oversized" {
		for name, value := range map[string]string{
			"toprelay-type": f.kind.typ, "toprelay-event-id": f.id, "toprelay-account": f.account, "toprelay-method": f.kind.method,
		} {
			want[name] = value
		}
		if f.Reason != "unknown_account" && f.Reason != "expired" && f.Reason != "invalid_data" { // before or where the key was not read
			want["toprelay-key"] = f.key
		}
	}
	if last := len(f.Calls) - 1; attempts > 0 && last >= 0 && f.Calls[last].Whole && !repeat {
		if id := requestID.FindStringSubmatch(f.Calls[last].Reply); id != nil {
			want["toprelay-request-id"] = id[1]
		}
	}
	for name, value := range want {
		if added[name] != value {
			r.t.Errorf("%s: its letter's header %s is %q, want %q", f, name, added[name], value)
		}
	}
	if !hexID.MatchString(added["toprelay-id"]) {
		r.t.Errorf("%s: its letter's toprelay-id is %q", f, added["toprelay-id"])
	}
	if a := added["toprelay-ambiguous"]; a != "true" && a != "false" {
		r.t.Errorf("%s: its letter's toprelay-ambiguous is %q", f, a)
	}
	if message := added["kafka_dlt-exception-message"]; message == "" || len(message) > 1024 {
		r.t.Errorf("%s: its letter's message has %d bytes", f, len(message))
	}
	for _, name := range times {
		if added[name] == "" && name == times[0] && attempts == 0 {
			continue
		}
		if _, err := time.Parse(time.RFC3339Nano, added[name]); err != nil {
			r.t.Errorf("%s: its letter's %s is %q", f, name, added[name])
		}
	}
	for name := range added {
		if !strings.HasPrefix(name, "toprelay-") && !strings.HasPrefix(name, "kafka_dlt-") {
			r.t.Errorf("%s: its letter has a header %s of its own", f, name)
		}
	}
}

var requestID = regexp.MustCompile(`"?request_id"?[:>]\s*"?([A-Za-z0-9]+)`)

// letterOf is the letter of an event, which must have just one.
func (r *relay) letterOf(fates []fate, e *ev) event.Record {
	r.t.Helper()
	for _, f := range fates {
		if f.ev == e {
			if f.Letter == nil {
				r.t.Fatalf("%s has no dead letter", &f)
			}
			return *f.Letter
		}
	}
	r.t.Fatal("no such event: " + fmt.Sprint(e.id))
	return event.Record{}
}
