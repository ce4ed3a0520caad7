package consumer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/top"
)

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
