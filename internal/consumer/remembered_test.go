package consumer

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// A paused key holds the watermark, so that each restart reads again what was settled behind it: every record has the same
// result each time, whatever became of its id since, and no call is made and no letter written for it.
func TestResultsAreTheSameWhenReadAgain(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.setup.repeats = true // an id that is unknown may be accepted again
		r.caller.answer(func(c fakeCall) top.Reply {
			reply := accepted()
			reply.RequestID = fmt.Sprintf("req-%s-%d", c.id, c.n)
			switch {
			case c.id == "waits":
				return unreachable()
			case c.id == "made":
				reply.Fields = map[string]any{"service_order_id": 42}
			case c.id == "had":
				reply.Code, reply.SubCode, reply.Duplicate = "HAVE_IT", "<\"&\n>", true
			case c.id == "refused", c.id == "twice", c.id == "mended" && c.n == 1, c.id == "doubtful" && c.n > 1:
				reply = refused()
				reply.Message, reply.RequestID = fmt.Sprintf("order \"closed\"\n%d", c.n), fmt.Sprintf("req-%s-%d", c.id, c.n)
			case c.id == "second" && c.n == 1, c.id == "doubtful":
				return broken()
			case c.id == "lost":
				reply = ambiguous()
				reply.RequestID = "req-lost"
			}
			return reply
		})
		g := r.kafka.assign(part(0))
		r.start()
		r.produce(status("waits", 1), create("made"), create("made"), status("had", 3), status("second", 4), status("refused", 5),
			status("mended", 6), status("mended", 6, value(`{"logistics_order_id":6,"status_code":"cancel","express_company":"mended"}`)),
			status("twice", 7), status("twice", 7), status("twice", 7), status("doubtful", 8), status("broken", 9, value("{")),
			status("mended", 6), create("lost"), create("lost"))
		r.pass(time.Minute)

		plain := func(results []Result) map[int64]Result {
			byOffset := map[int64]Result{}
			for _, res := range results {
				offset := res.Record.Offset
				res.Record = nil
				if was, is := byOffset[offset]; is && !reflect.DeepEqual(was, res) {
					t.Errorf("the result at offset %d changed:\n %+v\nto %+v", offset, was, res)
				}
				byOffset[offset] = res
			}
			return byOffset
		}
		first := plain(r.results.list())
		var outcomes []string
		for offset := range int64(16) {
			res := first[offset]
			outcomes = append(outcomes, strings.TrimSpace(fmt.Sprint(res.EventID, " ", res.Outcome, " ", res.Reason)))
		}
		r.want("results", strings.Join(outcomes, ", "), ", made delivered, made duplicate, had delivered, second delivered, refused dead_lettered rejected, "+
			"mended dead_lettered rejected, mended delivered, twice dead_lettered rejected, twice dead_lettered rejected, "+
			"twice dead_lettered rejected, doubtful dead_lettered rejected, broken dead_lettered malformed_event, "+
			"mended dead_lettered idempotency_conflict, lost dead_lettered outcome_unknown, lost dead_lettered outcome_unknown")
		if made, second, refused := first[1], first[4], first[5]; string(made.Reply) != `{"service_order_id":42}` || made.RequestID != "req-made-1" ||
			made.Attempts != 1 || second.Attempts != 2 || refused.SubCode != "isv.order-closed" || !strings.Contains(refused.Message, "closed") {
			t.Errorf("results %+v, %+v, %+v", made, second, refused)
		}

		calls, letters := len(r.caller.all())-len(r.caller.of("waits")), len(r.letters.list())
		for range 3 {
			before := len(r.results.list())
			g.rebalance()
			r.ledger.restarted()
			g = r.kafka.assign(part(0))
			r.pass(time.Minute)
			again := r.results.list()
			if len(again)-before != 15 {
				t.Fatalf("%d results when it is read again, want 15", len(again)-before)
			}
			plain(again)
		}
		r.want("calls for what was settled", len(r.caller.all())-len(r.caller.of("waits")), calls)
		// Letters of calls that may have run, and of what needed none, are written again, with the same id.
		r.want("letters", len(r.letters.list()), letters+3*4)
		for _, l := range r.letters.list()[letters:] {
			if l.Reason == event.ReasonRejected || l.Reason == event.ReasonOutcomeUnknown && l.Attempts == 1 && l.RequestID != "req-lost" {
				t.Errorf("the letter %+v", l)
			}
		}
		r.metric(`toprelay_events_settled_total{outcome="delivered",type="`+createType+`"}`, 4)
		r.metric(`toprelay_dead_letters_total{reason="rejected",type="`+statusType+`"}`, 6) // each was written once
		if n := strings.Count(r.logs.String(), `"again":true`); n != 3*10 {
			t.Errorf("%d lines say that a record was settled again", n)
		}
	})
}

// A dead letter without a call forgets nothing that the ledger knows of other records.
func TestExpiryKeepsTheLettersOfOthers(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "waits" {
				return unreachable()
			}
			return refused()
		})
		g := r.kafka.assign(part(0))
		r.start()
		r.produce(status("waits", 1), status("e-1", 2), status("e-1", 2, expires(-time.Hour)))
		r.want("letters", r.letters.reasons(), []string{"e-1 rejected", "e-1 expired"})
		g.rebalance()
		r.ledger.restarted()
		r.kafka.assign(part(0))
		r.pass(10 * time.Second)
		r.want("calls", len(r.caller.of("e-1")), 1)
		r.want("results", r.results.outcomes()[:4], []string{"e-1 dead_lettered", "e-1 dead_lettered", "e-1 dead_lettered", "e-1 dead_lettered"})
	})
}

// An event that is tried for long leaves what the ledger has learned of another record of its id in the meantime.
func TestRetryKeepsTheLettersOfOthers(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "e-1" && c.key == "3" {
				return refused()
			}
			return unreachable()
		})
		g := r.kafka.assign(part(0), part(1))
		r.start()
		r.produce(status("e-1", 1))
		r.kafka.append(part(1), parcel("waits", 2), status("e-1", 3))
		r.pass(20 * time.Second)
		r.want("letters", r.letters.reasons(), []string{"e-1 rejected"})
		tries := len(r.caller.of("e-1"))
		if tries < 4 {
			t.Fatalf("%d calls", tries)
		}
		g.rebalance()
		r.ledger.restarted()
		r.caller.answer(nil)
		r.kafka.assign(part(1))
		r.pass(20 * time.Second)
		r.want("calls", len(r.caller.of("e-1")), tries)
		r.want("letters", r.letters.reasons(), []string{"e-1 rejected"})
	})
}

// The outcome of a record's own call is not taken for another content's where the canonical form has changed since.
func TestUnknownReadAgainIsNoConflict(t *testing.T) {
	in(t, nil, func(r *rig) {
		r.caller.answer(func(fakeCall) top.Reply { return ambiguous() })
		r.letters.failing(errAway)
		g := r.kafka.assign(part(0))
		r.start()
		r.produce(create("e-1"))
		g.rebalance()
		r.pass(20 * time.Second)
		r.ledger.restarted()
		r.letters.failing(nil)
		k, _ := r.keyOf(create("e-1"))
		r.ledger.rows[k].content.Hash[0]++
		r.kafka.assign(part(0))
		r.pass(20 * time.Second)
		r.want("letters", r.letters.reasons(), []string{"e-1 outcome_unknown"})
		if l := r.letters.list()[0]; l.Attempts != 1 || !strings.HasPrefix(l.Message, "the call may have run") {
			t.Errorf("the letter is not that of the call: %+v", l)
		}
	})
}

// A shadow run gives back what it claims, whatever the ledger knows of the id.
func TestDryRunHoldsNoClaim(t *testing.T) {
	in(t, func(s *setup) { s.options.DryRun = true }, func(r *rig) {
		r.kafka.settled = func(TopicPartition, int64) bool { return true } // there are no results to tell by
		k, _ := r.keyOf(status("e-1", 1))
		r.ledger.rows[k] = &fakeRow{history: retry.History{Attempts: 1, Lettered: "rejected 0123456789abcdef0123456789abcdef"}}
		r.kafka.assign(part(0))
		r.start()
		r.produce(status("e-1", 1, expires(-time.Hour)))
		if row, _ := r.ledger.row(k); row.claimed || row.history.Lettered == "" || len(r.letters.list()) > 0 {
			t.Errorf("the ledger has %+v", row)
		}
	})
}

func TestRecall(t *testing.T) {
	record := recordID{0x7b, 1, 2, 3, 4, 5}
	long := strings.Repeat("x", 1000)
	for _, m := range []remembered{
		{record: record, attempts: 1},
		{record: record},
		{record: record, attempts: 1, requestID: "16dgkw8ufw2ei"},
		{record: record, attempts: 1, requestID: "16DGKW8UFW2EI"},
		{record: record, attempts: 130, requestID: "req", reply: []byte(`{"a":["",null]}`), code: "15", subCode: "isv.x", letters: "rejected a\nrejected b"},
		{record: record, attempts: 2, code: "15", message: "order \"closed\"\n\x00\xff " + long},
	} {
		b := m.bytes()
		if got := recall(b); !reflect.DeepEqual(got, m) {
			t.Errorf("%+v came back as %+v", m, got)
		}
		if got := recallText(m.text()); !reflect.DeepEqual(got, m) {
			t.Errorf("%+v came back from text as %+v", m, got)
		}
		if got := recall(append(appendField(b[:7:7], 'z', long), b[7:]...)); b[0] == formFields && !reflect.DeepEqual(got, m) { // of a later version
			t.Errorf("beside another field %+v came back as %+v", m, got)
		}
		for n := range b { // cut anywhere it is no crash, and of nobody else
			if got := recall(b[:n]); got.record != record && got.record != (recordID{}) {
				t.Errorf("cut to %d bytes it is %+v", n, got)
			}
		}
	}
	if n := len((remembered{record: record, attempts: 1, requestID: "16dgkw8ufw2ei"}).bytes()); n != 16 {
		t.Errorf("an ordinary success takes %d bytes; each costs at every event", n)
	}
}

// What earlier versions have written is read too, and what is none of it is of nobody.
func TestRecallOfEarlierVersions(t *testing.T) {
	it := &item{record: status("e-1", 1)}
	it.record.Topic, it.record.Offset, it.record.Time = topic, 7, time.UnixMilli(1_700_000_000_000)
	other := &item{record: it.record}
	other.record.Offset++
	if m := recall([]byte(`{"service_order_id":7}`)); string(m.reply) != `{"service_order_id":7}` || m.isOf(it.recordID()) {
		t.Errorf("a reply alone is %+v", m)
	}
	full := OriginID("", &it.record)
	if m := recallText(full); !m.isOf(it.recordID()) || m.isOf(other.recordID()) {
		t.Errorf("an origin alone is %+v", m)
	}
	for _, text := range []string{"", "AQ", "?", strings.Repeat("z", 32), strings.Repeat("0", 32), "top.work-orders/3/17"} {
		if m := recallText(text); m.isOf(it.recordID()) || m.isOf(recordID{}) {
			t.Errorf("%q is %+v", text, m)
		}
	}
	claim := Claim{Answer: AnswerMine, Token: 7}
	claim.History.Lettered = "rejected " + full
	if out, again := it.again(claim); !again || out.Reason != event.ReasonRejected || out.Message == "" || out.step != ledgerRelease || out.token != 7 {
		t.Errorf("%+v, %v", out, again)
	}
	if _, again := other.again(claim); again {
		t.Error("another record is taken for the lettered one")
	}
}

// The ledger keeps a bounded text of each id, and the record in any case.
func TestRememberedIsBounded(t *testing.T) {
	it := &item{record: status("e-1", 1)}
	long := strings.Repeat("\x01", 256)
	out := Outcome{Kind: Delivered, Called: true, Fields: []byte(`{"a":"` + strings.Repeat("x", 1000) + `"}`)}
	out.Reply = top.Reply{RequestID: long, Code: long, SubCode: long}
	if m := recall(it.success(out)); string(m.reply) != string(out.Fields) || m.requestID != long {
		t.Errorf("a reply of 1 KiB is not kept: %+v", m)
	}
	out.History.Lettered = strings.Repeat("rejected 0123456789abcdef0123456789abcdef\n", 200)
	if b := it.success(out); len(b) > maxRemembered || len(recall(b).reply) == 0 || !recall(b).isOf(it.recordID()) {
		t.Errorf("%d bytes with letters", len(b))
	}
	history := out.History
	for range 100 {
		out := giveUp(event.Defect{Reason: event.ReasonRejected, Message: strings.Repeat("m", maxMessage)})
		out.History = history
		if history = it.letteredHistory(out); len(history.Lettered) > maxLetters+2*maxMessage {
			t.Fatalf("%d bytes of letters", len(history.Lettered))
		}
	}
	if _, again := it.again(Claim{Answer: AnswerMine, History: history}); !again {
		t.Error("the last letter is forgotten")
	}
}
