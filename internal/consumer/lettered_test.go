package consumer

import (
	"testing"
	"time"

	"github.com/toprelay/worker/internal/top"
)

// The letter of an ambiguous event is not written again and its call is not made again when the record is read again; a
// doubt about its first call stays with the id.
func TestAmbiguousLetterIsNotSentAgain(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.answer(func(c fakeCall) top.Reply {
			switch {
			case c.id == "waits":
				return unreachable()
			case c.id == "doubtful" && c.n == 1:
				return broken()
			case c.id == "doubtful":
				return refused()
			}
			return accepted()
		})
		r.produce(status("waits", 1), status("doubtful", 2))
		r.pass(5 * time.Second)
		r.want("letters", r.letters.reasons(), []string{"doubtful rejected"})
		g.rebalance()
		r.ledger.restarted()
		r.kafka.assign(part(0))
		r.pass(10 * time.Second)
		r.want("calls of the doubtful event", len(r.caller.of("doubtful")), 2)
		r.want("letters", r.letters.reasons(), []string{"doubtful rejected"})

		r.produce(status("doubtful", 2)) // is refused again
		r.want("calls of the doubtful event", len(r.caller.of("doubtful")), 3)
		if l := r.letters.list()[1]; l.Attempts != 1 || !l.Ambiguous {
			t.Errorf("the second letter %+v", l)
		}
		k, _ := r.keyOf(status("doubtful", 2))
		if row, _ := r.ledger.row(k); row.state != "unknown" {
			t.Errorf("the ledger has %+v", row)
		}
	})
}

// A dead letter whose offset is not committed yet, because an earlier event still waits, is not sent again after a
// restart: later events of its key have been delivered since, and it would overtake them backwards.
func TestLetteredIsNotSentAgain(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0))
		r.start()
		r.caller.answer(func(c fakeCall) top.Reply {
			switch c.id {
			case "waits":
				return unreachable()
			case "rejected":
				if c.n == 1 {
					return refused()
				}
			}
			return accepted()
		})
		r.produce(status("waits", 1), status("rejected", 2), status("later", 2))
		r.want("settled", r.results.outcomes(), []string{"rejected dead_lettered", "later delivered"})
		g.rebalance()
		r.ledger.restarted()
		r.caller.answer(nil)
		r.kafka.assign(part(0))
		r.pass(10 * time.Second)
		r.want("calls of the rejected event", len(r.caller.of("rejected")), 1)
		r.want("letters", r.letters.reasons(), []string{"rejected rejected"})
		r.want("result", r.results.outcomes()[2], "rejected dead_lettered")
		r.want("reason of the result", r.results.list()[2].Reason, "rejected")
		r.want("committed", r.kafka.at(part(0)), 3)

		// Another record with the same id is an event of its own, with a clean slate.
		r.produce(status("rejected", 2))
		if last := r.results.list()[len(r.results.list())-1]; last.Outcome != "delivered" || last.Attempts != 1 {
			t.Errorf("a corrected event: %+v", last)
		}
	})
}
