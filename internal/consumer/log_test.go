package consumer

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
)

// One line an outcome, with all that one asks for.
func TestOneLineAnOutcome(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.lasting(func(fakeCall) time.Duration { return 250 * time.Millisecond })
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "bad" {
				return refused()
			}
			if c.n == 1 {
				return unreachable()
			}
			return accepted()
		})
		r.produce(status("good", 1), status("bad", 2), status("broken", 3, value("{")))
		r.pass(5 * time.Second)
		r.produce(status("good", 1))
		lines := map[string]map[string]any{}
		for _, l := range r.logs.with(t, "settled") {
			lines[fmt.Sprint(l["event_id"], " ", l["outcome"])] = l
		}
		r.want("lines", len(r.logs.with(t, "settled")), 4)
		tests := []struct {
			line string
			want map[string]any
		}{
			{"good delivered", map[string]any{"level": "INFO", "topic": topic, "partition": 0.0, "offset": 0.0, "type": statusType, "method": statusMethod,
				"account": "default", "key": "1", "attempts": 2.0, "duration": 0.25, "request_id": "req", "age": 1.5}},
			{"good duplicate", map[string]any{"level": "INFO", "offset": 3.0, "attempts": 0.0}},
			{"bad dead_lettered", map[string]any{"level": "WARN", "reason": "rejected", "code": "15", "sub_code": "isv.order-closed",
				"message": "15 isv.order-closed: closed", "attempts": 1.0}},
			{"broken dead_lettered", map[string]any{"level": "WARN", "reason": "malformed_event", "attempts": 0.0, "type": statusType}},
		}
		for _, tt := range tests {
			for name, want := range tt.want {
				if got := lines[tt.line][name]; got != want {
					t.Errorf("%s: %s = %v, want %v", tt.line, name, got, want)
				}
			}
		}
	})
}

// A log that is set to warnings costs no line for what goes well.
func TestQuietLog(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.worker.log = slog.New(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
		r.produce(status("good", 1), status("broken", 3, value("{")))
		r.want("lines", len(r.logs.with(t, "settled")), 1)
	})
}

// Whatever the platform echoes: no personal data of the event and no secret of the account in the log, the letters' texts,
// the results and the metrics.
func TestNoPersonalData(t *testing.T) {
	canaries := []string{buyerName, buyerMobile, appSecret, sessionKey, "Canary Street 17", "canary-text", "13887654321"}
	echo := func(text string) string { return text + ": " + strings.Join(canaries, ", ") }
	replies := map[string]func() top.Reply{
		"ok": func() top.Reply {
			reply := accepted()
			reply.Message = echo("fine")
			return reply
		},
		"rejected": func() top.Reply {
			reply := refused()
			reply.Message = echo("closed")
			return reply
		},
		"business failure without a code": func() top.Reply {
			return top.Reply{Class: top.ClassRejected, Written: true, Message: echo("no")}
		},
		"ambiguous": func() top.Reply {
			reply := ambiguous()
			reply.Message = echo("broken")
			return reply
		},
		"throttled": func() top.Reply {
			reply := banned(time.Second)
			reply.Message = echo("slow")
			return reply
		},
		"session": func() top.Reply {
			reply := sessionGone()
			reply.Message = echo("expired")
			return reply
		},
		"misconfigured": func() top.Reply {
			reply := misconfigured()
			reply.Message = echo("no permission")
			return reply
		},
		"transient": func() top.Reply {
			reply := broken()
			reply.Message = echo("away")
			return reply
		},
	}
	for name, reply := range replies {
		t.Run(name, func(t *testing.T) {
			started(t, nil, func(r *rig) {
				r.caller.answer(func(fakeCall) top.Reply { return reply() })
				r.produce(
					create("e-1", value(fmt.Sprintf(`{"service_product_id":1,"service_object_type":"tv","service_content":"mount","service_properties":{},
						"buyer":{"buyer_name":%q,"mobile":%q,"full_address":"Canary Street 17"},"service_count":1,"out_order_id":"e-1","source":"JD",
						"memo":"canary-text"}`, buyerName, buyerMobile))),
					status("e-2", 2, value(fmt.Sprintf(`{"logistics_order_id":2,"status_code":"create","comment":"canary-text","courier_name":%q,"courier_mobile":%q,
						"express_code":"Canary Street 17"}`, buyerName, buyerMobile))),
					status("e-3", 3, value(fmt.Sprintf(`{"logistics_order_id":3,"status_code":%q}`, buyerName))),
					status("e-4", 4, value(fmt.Sprintf(`{"logistics_order_id":4,"status_code":"create","unknown":%q}`, buyerMobile))))
				r.pass(5 * time.Second)
				var out strings.Builder
				out.WriteString(r.logs.String())
				out.WriteString(r.exposition())
				for _, l := range r.letters.list() {
					l.Record = nil // is kept byte for byte
					fmt.Fprintf(&out, "%+v\n", l)
				}
				for _, res := range r.results.list() {
					res.Record = nil
					fmt.Fprintf(&out, "%+v %s\n", res, res.Reply)
				}
				for _, s := range r.observer.settled {
					fmt.Fprintf(&out, "%+v\n", s)
				}
				for _, canary := range canaries {
					if at := strings.Index(out.String(), canary); at >= 0 {
						t.Errorf("%q is in the output: …%s…", canary, out.String()[max(0, at-200):at+len(canary)])
					}
				}
			})
		})
	}
}

// A masked message still says what the platform said.
func TestMaskedMessage(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(fakeCall) top.Reply {
			reply := refused()
			reply.Message = "order of " + buyerName + " (" + buyerMobile + ") is closed"
			return reply
		})
		r.produce(create("e-1"))
		r.want("message", r.letters.list()[0].Message, "15 isv.order-closed: order of *** (***) is closed")
	})
}

func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logs := &logLines{}
		tr := newTrouble(slog.New(slog.NewJSONHandler(logs, nil)))
		failing := func() { tr.report("kind", "it fails", errors.New("boom"), "part", 3) }
		said := func(failed, well int) {
			t.Helper()
			if f, w := len(logs.with(t, "it fails")), len(logs.with(t, "it works")); f != failed || w != well {
				t.Errorf("said %d times that it fails and %d times that it works, want %d and %d", f, w, failed, well)
			}
		}
		tr.over("kind", "it works")
		said(0, 0)
		failing()
		failing()
		said(1, 0)
		time.Sleep(59 * time.Second)
		failing()
		said(1, 0)
		time.Sleep(time.Second)
		failing()
		said(2, 0)
		if l := logs.with(t, "it fails")[1]; l["times"] != 2.0 || l["part"] != 3.0 || l["error"] != "boom" || l["since"] != "2000-01-01T00:00:00Z" {
			t.Errorf("the second line is %v", l)
		}
		time.Sleep(time.Second)
		tr.over("kind", "it works", "part", 3)
		tr.over("kind", "it works")
		said(2, 1)
		if l := logs.with(t, "it works")[0]; l["after"] != 61.0 || l["part"] != 3.0 {
			t.Errorf("its end is said as %v", l)
		}
		// It comes back at once: not said before a minute has passed, and then neither is its end.
		for range 10 {
			failing()
			tr.over("kind", "it works")
		}
		said(2, 1)
		tr.report("another kind", "it fails", errors.New("boom"))
		said(3, 1)
		time.Sleep(time.Minute)
		failing()
		said(4, 1)
		tr.end("kind")
		tr.over("kind", "it works")
		said(4, 1)
	})
}

// The reply's own business fields: masked where the schema marks them, as JSON, in full in the result; the ledger keeps a
// small one only.
func TestReplyFields(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(c fakeCall) top.Reply {
			reply := accepted()
			switch c.id {
			case "small":
				reply.Fields = map[string]any{"service_order_id": 7, "workcard_ids": []any{1, 2}}
			case "large":
				reply.Fields = map[string]any{"workcard_ids": strings.Repeat("9", 2000)}
			}
			return reply
		})
		for _, id := range []string{"none", "small", "large"} {
			r.produce(create(id), create(id))
		}
		var got []string
		for _, res := range r.results.list() {
			text := string(res.Reply)
			if len(text) > 100 {
				text = fmt.Sprint(len(text), " bytes")
			}
			got = append(got, fmt.Sprintf("%s %s %s", res.Key[4:], res.Outcome, text))
		}
		r.want("replies", strings.Join(got, "\n"), strings.Join([]string{
			"4:none delivered ", "4:none duplicate ",
			`5:small delivered {"service_order_id":7,"workcard_ids":[1,2]}`, `5:small duplicate {"service_order_id":7,"workcard_ids":[1,2]}`,
			"5:large delivered 2019 bytes", "5:large duplicate ",
		}, "\n"))
	})
}

// OriginID is part of the contract with every reader of letters: it never changes.
func TestOriginID(t *testing.T) {
	record := event.Record{Topic: "orders", Partition: 3, Offset: 42, Time: time.UnixMilli(1_700_000_000_123)}
	id := OriginID("group", &record)
	if id != "04309fcd69fcc364268258f22dd470c4" {
		t.Errorf("OriginID = %s", id)
	}
	seen := map[string]bool{id: true}
	for _, r := range []event.Record{
		{Topic: "orders2", Partition: 3, Offset: 42, Time: record.Time},
		{Topic: "orders", Partition: 4, Offset: 42, Time: record.Time},
		{Topic: "orders", Partition: 3, Offset: 43, Time: record.Time},
		{Topic: "orders", Partition: 3, Offset: 42, Time: record.Time.Add(time.Millisecond)},
	} {
		other := OriginID("group", &r)
		if seen[other] {
			t.Errorf("%+v has the id of another", r)
		}
		seen[other] = true
	}
	if seen[OriginID("group2", &record)] {
		t.Error("another group has the same id")
	}
	same := record
	same.Key, same.Value, same.Time = []byte("k"), []byte("v"), record.Time.In(time.FixedZone("x", 3600)).Add(999)
	if OriginID("group", &same) != id {
		t.Error("the id depends on more than the place and the milliseconds")
	}
}

// Texts from outside have a bound in the log and in the letter's message, however long they are.
func TestLongTexts(t *testing.T) {
	started(t, nil, func(r *rig) {
		long := strings.Repeat("长", 40_000)
		r.caller.answer(func(fakeCall) top.Reply {
			reply := refused()
			reply.Message = long
			return reply
		})
		r.produce(
			status("e-1", 1, without("ce_id"), header("ce_id", long)), create(long),
			status("e-2", 2, without("ce_type"), header("ce_type", long)), status("e-3", 3, ofAccount(long)),
			status("e-4", 4, value(`{"logistics_order_id":4,"status_code":"create","`+long+`":1}`)))
		r.want("lines", len(r.logs.with(t, "settled")), 5)
		for line := range strings.Lines(r.logs.String()) {
			if len(line) > 4096 {
				t.Errorf("a log line of %d bytes: %.300s…", len(line), line)
			}
		}
		for _, l := range r.letters.list() {
			if len(l.Message) > 1024 || !utf8.ValidString(l.Message) || l.Message == "" {
				t.Errorf("a message of %d bytes: %.100q", len(l.Message), l.Message)
			}
		}
	})
}
