package consumer

import (
	"errors"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/top"
)

// What is written for an outcome, and in which order: ledger, letter, forget, result, settled. A crash between any two
// steps must lose nothing.
func TestRecordOrder(t *testing.T) {
	tests := []struct {
		name   string
		record event.Record
		reply  top.Reply
		change func(r *rig)
		want   string
	}{
		{"delivered", status("e-1", 1), accepted(), nil, "claim, call, delivered, result delivered, settled"},
		{"duplicate", status("e-1", 1), accepted(), func(r *rig) { r.has("e-1", "delivered") },
			"claim, result duplicate, settled"},
		{"rejected: the id is free after the letter", status("e-1", 1), refused(), nil,
			"claim, call, letter rejected, failed, result dead_lettered, settled"},
		{"outcome unknown: the ledger knows before the letter", create("e-1"), ambiguous(), nil,
			"claim, call, unknown, letter outcome_unknown, result dead_lettered, settled"},
		{"known as unknown", create("e-1"), accepted(), func(r *rig) { r.has("e-1", "unknown") },
			"claim, letter outcome_unknown, result dead_lettered, settled"},
		{"conflict", status("e-1", 1), accepted(), func(r *rig) { r.has("e-1", "delivered, another content") },
			"claim, letter idempotency_conflict, result dead_lettered, settled"},
		{"a defect needs no ledger", status("e-1", 1, value("{")), accepted(), nil, "letter malformed_event, result dead_lettered, settled"},
		{"expired", status("e-1", 1, header("ce_expirytime", "1999-01-01T00:00:00Z")), accepted(), nil,
			"claim, letter expired, forget, result dead_lettered, settled"},
		{"expired, and delivered before", status("e-1", 1, header("ce_expirytime", "1999-01-01T00:00:00Z")), accepted(),
			func(r *rig) { r.has("e-1", "delivered") }, "claim, result duplicate, settled"},
		{"throttled", status("e-1", 1), banned(time.Hour), nil, "claim, call, release"},
		{"failed", status("e-1", 1), unreachable(), nil, "claim, call, failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started(t, nil, func(r *rig) {
				if tt.change != nil {
					tt.change(r)
				}
				r.caller.answer(func(fakeCall) top.Reply { return tt.reply })
				r.produce(tt.record)
				r.want("steps", r.trace.take(), tt.want)
			})
		})
	}
}

// keyOf is the ledger's key of an event of the tests.
func (r *rig) keyOf(record event.Record) (LedgerKey, Content) {
	r.t.Helper()
	it := r.worker.decode(newPartition(Assignment{TopicPartition: part(0)}), record, time.Now())
	if it.defect != nil {
		r.t.Fatal(it.defect)
	}
	return it.id, it.content
}

// has makes the ledger know both events of an id.
func (r *rig) has(id, state string) {
	r.t.Helper()
	for _, record := range []event.Record{status(id, 1), create(id)} {
		k, c := r.keyOf(record)
		row := &fakeRow{state: state, content: c, reply: []byte(`{"service_order_id":7}`)}
		if state == "delivered, another content" {
			row.state = "delivered"
			row.content.Hash[0]++
		}
		r.ledger.rows[k] = row
	}
}

var errAway = errors.New("away")

// Whatever cannot be written: nothing is committed past the event, it is said once, and it goes on by itself when the world
// is well again, without a second call.
func TestNothingIsCommittedPastWhatCannotBeWritten(t *testing.T) {
	ledgerFails := func(op string) func(r *rig, err error) {
		return func(r *rig, err error) {
			r.ledger.failing(func(o string) error {
				if o == op {
					return err
				}
				return nil
			})
		}
	}
	tests := []struct {
		name    string
		record  event.Record
		reply   top.Reply
		failing func(r *rig, err error)
		outcome string
		waits   string // keys_waiting{reason}
		said    string
		calls   int
	}{
		{"success that the ledger does not take", status("e-1", 1), accepted(), ledgerFails("delivered"), "e-1 delivered", "ledger",
			"the ledger does not answer; no calls are made", 1},
		{"unknown outcome that the ledger does not take", create("e-1"), ambiguous(), ledgerFails("unknown"), "e-1 dead_lettered", "ledger",
			"the ledger does not answer; no calls are made", 1},
		{"letter of a rejection", status("e-1", 1), refused(), func(r *rig, err error) { r.letters.failing(err) }, "e-1 dead_lettered", "dead_letter",
			"the dead-letter topic did not take a letter; nothing is committed past its event", 1},
		{"letter of an unknown outcome", create("e-1"), ambiguous(), func(r *rig, err error) { r.letters.failing(err) }, "e-1 dead_lettered", "dead_letter",
			"the dead-letter topic did not take a letter; nothing is committed past its event", 1},
		{"letter of a defect", status("e-1", 1, value("")), accepted(), func(r *rig, err error) { r.letters.failing(err) }, "e-1 dead_lettered", "dead_letter",
			"the dead-letter topic did not take a letter; nothing is committed past its event", 0},
		{"freeing the id of a rejection", status("e-1", 1), refused(), ledgerFails("failed"), "e-1 dead_lettered", "ledger",
			"the ledger did not free the id of a dead letter", 1},
		{"forgetting the id of an expired event", status("e-1", 1, header("ce_expirytime", "1999-01-01T00:00:00Z")), accepted(), ledgerFails("forget"),
			"e-1 dead_lettered", "ledger", "the ledger did not free the id of a dead letter", 0},
		{"result of a success", status("e-1", 1), accepted(), func(r *rig, err error) { r.results.failing(err) }, "e-1 delivered", "result",
			"the results topic did not take a result; nothing is committed past its event", 1},
		{"result of a dead letter", status("e-1", 1), refused(), func(r *rig, err error) { r.results.failing(err) }, "e-1 dead_lettered", "result",
			"the results topic did not take a result; nothing is committed past its event", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			started(t, nil, func(r *rig) {
				tt.failing(r, errAway)
				r.caller.answer(func(fakeCall) top.Reply { return tt.reply })
				r.produce(tt.record)
				r.pass(90*time.Second + 500*time.Millisecond)
				r.want("settled while it fails", r.results.outcomes(), []string{})
				r.want("committed while it fails", r.kafka.at(part(0)), 0)
				r.want("calls", len(r.caller.all()), tt.calls)
				r.metric(`toprelay_keys_waiting{reason="`+tt.waits+`"}`, 1)
				if n := len(r.logs.with(t, tt.said)); n != 2 {
					t.Errorf("said %d times in 90 s, want once a minute", n)
				}
				tt.failing(r, nil)
				r.ledger.failing(nil)
				r.pass(2 * time.Second)
				r.want("settled", r.results.outcomes(), []string{tt.outcome})
				r.want("committed", r.kafka.at(part(0)), 1)
				r.want("calls", len(r.caller.all()), tt.calls)
				if letters := r.letters.list(); len(letters) > 1 {
					t.Errorf("%d letters for one event", len(letters))
				}
				r.metric(`toprelay_keys_waiting{reason="`+tt.waits+`"}`, 0)
			})
		})
	}
}

// A rejected event keeps its history while its letter waits, and its id is free afterwards.
func TestLetterWaitsWithItsHistory(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.letters.failing(errAway)
		r.caller.answer(func(fakeCall) top.Reply { return refused() })
		r.produce(status("e-1", 1))
		r.pass(30 * time.Second)
		k, _ := r.keyOf(status("e-1", 1))
		if row, _ := r.ledger.row(k); row.claimed || row.history.Attempts != 1 {
			t.Errorf("while its letter waits the ledger has %+v, want no claim and one attempt", row)
		}
		r.letters.failing(nil)
		r.pass(2 * time.Second)
		if row, _ := r.ledger.row(k); row.claimed || row.state != "" || row.history.Attempts != 0 {
			t.Errorf("after a clean dead letter the id is not free: %+v", row)
		}
		l := r.letters.list()[0]
		r.want("attempts of the letter", l.Attempts, 1)
		if l.Ambiguous || l.Code != "15" || l.SubCode != "isv.order-closed" || l.RequestID != "req" {
			t.Errorf("letter %+v", l)
		}
	})
}

// While a letter cannot be written, later events of its key wait and those of other keys flow.
func TestLettersAwayHoldOnlyTheirKeys(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.letters.failing(errAway)
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "bad" {
				return refused()
			}
			return accepted()
		})
		r.produce(status("bad", 1), status("after", 1), status("other", 2))
		r.pass(10 * time.Second)
		r.want("settled", r.results.outcomes(), []string{"other delivered"})
		r.letters.failing(nil)
		r.pass(2 * time.Second)
		r.want("settled", r.results.outcomes(), []string{"other delivered", "bad dead_lettered", "after delivered"})
	})
}

// Letters that hang must not take the places of the events that only need a call, however many there are.
func TestHangingLettersLeaveRoomForCalls(t *testing.T) {
	started(t, nil, func(r *rig) {
		hang := make(chan struct{})
		r.letters.hang = hang
		for range 400 {
			r.kafka.append(part(0), status("bad", 1, without("ce_type")))
		}
		r.produce(status("good", 1))
		r.want("calls", r.caller.ids(), []string{"good"})
		close(hang)
		r.pass(time.Second)
		r.want("letters", len(r.letters.list()), 400)
	})
}

// What a call proved must survive a ledger that is away for a moment: the claim of a call that must not be repeated would
// look like one that was given up.
func TestLedgerAwayAfterACallThatDidNotRun(t *testing.T) {
	for op, reply := range map[string]func(fakeCall) top.Reply{
		"failed": func(c fakeCall) top.Reply {
			if c.n == 1 {
				return unreachable()
			}
			return accepted()
		},
		"release": func(c fakeCall) top.Reply {
			if c.n == 1 {
				return banned(time.Second)
			}
			return accepted()
		},
	} {
		t.Run(op, func(t *testing.T) {
			started(t, nil, func(r *rig) {
				r.caller.answer(reply)
				r.ledger.failing(func(o string) error {
					if o == op {
						return errAway
					}
					return nil
				})
				r.produce(create("e-1"))
				r.pass(30 * time.Second)
				r.want("settled while the ledger is away", r.results.outcomes(), []string{})
				r.want("calls", len(r.caller.all()), 1)
				r.ledger.failing(nil)
				r.pass(3 * time.Second)
				r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
				r.want("calls", len(r.caller.all()), 2)
			})
		})
	}
}
