package consumer

import (
	"testing"

	"github.com/toprelay/worker/internal/top"
)

// A letter's message says why the event was refused, also where the platform gives no code for it.
func TestWordsOfARefusal(t *testing.T) {
	refusal := top.Reply{Class: top.ClassRejected, Written: true, Status: 200}
	with := func(change func(r *top.Reply)) top.Reply {
		r := refusal
		change(&r)
		return r
	}
	for want, reply := range map[string]top.Reply{
		"the reply says success=false and gives no code":         refusal,
		"the reply says success=false and gives no code: closed": with(func(r *top.Reply) { r.Message = "closed" }),
		"F01: closed":              with(func(r *top.Reply) { r.Code, r.Message = "F01", "closed" }),
		"15 isv.order-closed":      with(func(r *top.Reply) { r.Code, r.SubCode = "15", "isv.order-closed" }),
		"isv.order-closed: closed": with(func(r *top.Reply) { r.SubCode, r.Message = "isv.order-closed", "closed" }),
	} {
		started(t, nil, func(r *rig) {
			r.caller.answer(func(fakeCall) top.Reply { return reply })
			r.produce(status("e-1", 1))
			r.want("message", r.letters.list()[0].Message, want)
		})
	}
}

// What to do about a trouble of the world stands in the log beside its code.
func TestAdviceIsLogged(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.caller.answer(func(fakeCall) top.Reply {
			reply := misconfigured()
			reply.Advice = "check the secret"
			return reply
		})
		r.produce(status("e-1", 1), status("e-2", 2))
		for _, message := range []string{"parked one key", "paused"} {
			lines := r.logs.with(t, message)
			if len(lines) != 1 || lines[0]["detail"] != "12" || lines[0]["advice"] != "check the secret" || lines[0]["account"] != "default" {
				t.Errorf("%s: %v", message, lines)
			}
		}
	})
}
