package integration

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/event"
)

// resultData is the data of a result, with numbers as they are written.
type resultData struct {
	EventID     string `json:"event_id"`
	EventSource string `json:"event_source"`
	EventType   string `json:"event_type"`
	Account     string
	Key         string
	Outcome     string
	Reason      string
	Method      string
	Code        string
	SubCode     string `json:"sub_code"`
	Message     string
	RequestID   string `json:"request_id"`
	Attempts    int
	Reply       map[string]any
}

// checkResults: there is a result of each settled event that says what became of it (contract section 6, Results). It
// returns them by the places of their events.
func (r *relay) checkResults(fates []fate) map[string]resultData {
	r.t.Helper()
	found := map[string]resultData{} // by what tells events apart in a result: id and outcome
	ids := map[string]bool{}
	for _, record := range r.read(r.results()) {
		if id := header(record, "ce_id"); ids[id] || !hexID.MatchString(id) {
			r.t.Errorf("a result whose ce_id is %q: it must be one of its own, made from its origin", id)
		} else {
			ids[id] = true
		}
		for name, want := range map[string]string{"ce_specversion": "1.0", "ce_type": "top.result.v1", "content-type": "application/json"} {
			if got := header(record, name); got != want {
				r.t.Errorf("a result's header %s is %q, want %q", name, got, want)
			}
		}
		d := r.result(record)
		if string(record.Key) != d.Key {
			r.t.Errorf("the result of %s has the record key %q, want %q", d.EventID, record.Key, d.Key)
		}
		found[fmt.Sprint(d.EventID, " ", cmp.Or(d.Reason, d.Outcome))] = d
	}
	if len(ids) != len(fates) {
		r.t.Errorf("%d results of %d events", len(ids), len(fates))
	}
	byPlace := map[string]resultData{}
	for i := range fates {
		f := &fates[i]
		d, there := found[fmt.Sprint(f.id, " ", cmp.Or(f.Reason, f.Outcome))]
		if !there {
			r.t.Errorf("%s: no result that says %s", f, cmp.Or(f.Reason, f.Outcome))
			continue
		}
		byPlace[origin(f.Topic, f.Partition, f.Offset)] = d
		attempts := 0
		if f.Outcome == "delivered" {
			attempts = 1 + len(of(f.Calls, counted))
		}
		want := resultData{
			EventID: f.id, EventSource: source, EventType: f.kind.typ, Account: f.account, Key: d.Key, Outcome: f.Outcome, Reason: f.Reason,
			Method: f.kind.method, Code: d.Code, SubCode: d.SubCode, Message: d.Message, RequestID: d.RequestID, Attempts: attempts,
		}
		if f.Letter != nil {
			want.Code, want.SubCode, want.RequestID = header(*f.Letter, "toprelay-code"), header(*f.Letter, "toprelay-sub-code"), header(*f.Letter, "toprelay-request-id")
			want.Message = header(*f.Letter, "kafka_dlt-exception-message")
			_, _ = fmt.Sscan(header(*f.Letter, "toprelay-attempts"), &want.Attempts)
		}
		if f.Reason != "invalid_data" {
			want.Key = f.key
		}
		d.Reply = nil
		if fmt.Sprint(d) != fmt.Sprint(want) {
			r.t.Errorf("%s: its result is %+v, want %+v", f, d, want)
		}
		if f.Outcome == "delivered" && (d.RequestID == "" || !strings.Contains(f.Calls[len(f.Calls)-1].Reply, d.RequestID)) {
			r.t.Errorf("%s: its result names the request %q, which is not the gateway's", f, d.RequestID)
		}
	}
	return byPlace
}

// counted says that a call failed and was an attempt: refusals by a ban cost none.
func counted(x exchange) bool { return !x.accepted() && !x.nothingRan() }

func (r *relay) result(record event.Record) resultData {
	r.t.Helper()
	var d resultData
	dec := json.NewDecoder(strings.NewReader(string(record.Value)))
	dec.UseNumber()
	dec.DisallowUnknownFields()
	r.must(dec.Decode(&d))
	return d
}

// TestResultsOfServiceOrders: a WMS reads the ids of the order that it had made from the results, exact beyond 2^53, and
// a duplicate gets the same ones.
func TestResultsOfServiceOrders(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{results: true})
	e := create.event(7)
	r.publish(e, e.again(), create.event(8))
	r.start()
	r.await(3)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"create delivered": 2, "create duplicate": 1})
	replies := map[string]string{}
	for _, d := range r.checkResults(fates) {
		reply, err := json.Marshal(d.Reply)
		r.must(err)
		if replies[d.Key] == "" {
			replies[d.Key] = string(reply)
		} else if replies[d.Key] != string(reply) {
			t.Errorf("the results of order %s differ in the reply: %s and %s", d.Key, replies[d.Key], reply)
		}
		call := of(r.gateway.log(), func(x exchange) bool { return d.Outcome == "delivered" && strings.Contains(x.Reply, d.RequestID) })
		if d.Outcome == "delivered" {
			for name := range map[string]bool{"service_order_id": true, "workcard_ids": true} {
				if d.Reply[name] == nil {
					t.Errorf("the result of order %s has no %s: %s", d.Key, name, reply)
				}
			}
			id := fmt.Sprint(d.Reply["service_order_id"])
			if len(id) != 16 || len(call) != 1 || !strings.Contains(call[0].Reply, `"service_order_id":`+id) {
				t.Errorf("the result of order %s has service_order_id %s, which is not what the gateway said", d.Key, id)
			}
			if cards, _ := d.Reply["workcard_ids"].([]any); len(cards) != 2 || len(fmt.Sprint(cards[0])) != 16 {
				t.Errorf("the result of order %s has workcard_ids %v, want two of 16 digits in a plain array", d.Key, d.Reply["workcard_ids"])
			}
		}
	}
	if len(replies) != 2 {
		t.Errorf("results of %d orders, want 2", len(replies))
	}
}

// TestNoResults: without kafka.results_topic none are written, although the topic is there.
func TestNoResults(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.publish(logistics.event(1))
	r.start()
	r.await(1)
	r.stop()
	r.audit(claims{})
	if n := len(r.read(r.results())); n != 0 {
		t.Errorf("%d results", n)
	}
}

// TestResultsStayWhenReadAgain: a worker whose commits did not get as far as its ledger settles what it reads again as it did
// before, so that whoever keeps results by their ce_id keeps the request ids, the ids of orders and the codes.
func TestResultsStayWhenReadAgain(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{results: true})
	made, bad := create.event(1), logistics.event(2)
	r.publish(made, made.again(), bad, logistics.event(3))
	r.gateway.faults(refusal(bad))
	r.start()
	r.await(4)
	r.stop()
	first := map[string]resultData{}
	for _, record := range r.read(r.results()) {
		first[header(record, "ce_id")] = r.result(record)
	}
	calls, letters := len(r.gateway.log()), len(r.letters())

	r.must(r.forgetCommits())
	r.start()
	r.await(4)
	r.stop()
	records := r.read(r.results())
	if len(first) != 4 || len(records) != 8 {
		t.Fatalf("%d results of %d records, want 8 of 4", len(records), len(first))
	}
	for _, record := range records {
		id := header(record, "ce_id")
		if got, want := fmt.Sprintf("%+v", r.result(record)), fmt.Sprintf("%+v", first[id]); got != want {
			t.Errorf("read again the result %s is\n%s, it was\n%s", id, got, want)
		}
	}
	if len(r.gateway.log()) != calls || len(r.letters()) != letters {
		t.Errorf("%d calls and %d letters when it was read again", len(r.gateway.log())-calls, len(r.letters())-letters)
	}
}
