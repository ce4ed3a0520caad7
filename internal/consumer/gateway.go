package consumer

import (
	"time"

	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// gatewayPatience is how long the calls of a method must have got no answer before it is said. One reply that is lost
// among thousands is nothing to say, and neither is one whose repetition gets an answer.
const gatewayPatience = time.Second

// hear notes whether the gateway answered a call of a method. Any answer ends the trouble, a refusal too.
func (w *Worker) hear(typ *schemas.Type, reply top.Reply) {
	answered := reply.Err == nil || reply.Status != 0
	switch reply.Class {
	case top.ClassTransient, top.ClassAmbiguous:
		answered = reply.Err == nil // the platform's own code: an HTTP status of a proxy is no answer
		if !answered {
			w.trouble.suspect(gatewayTrouble(typ), gatewayPatience, "no answer from the gateway; its events wait", reply.Err,
				"method", typ.Method, "gateway", top.GatewayKey(typ))
		}
	case top.ClassCancelled:
		return
	}
	if answered && !w.trouble.quiet() {
		w.trouble.over(gatewayTrouble(typ), "the gateway answers again", "method", typ.Method, "gateway", top.GatewayKey(typ))
	}
}

// gatewayTrouble is the kind of the trouble of one method's calls.
func gatewayTrouble(typ *schemas.Type) string { return "gateway " + typ.Method }
