package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/simulator"
)

// Orders of the tests of outcomes.
const (
	orderWell = 1000 + iota
	orderInvalid
	orderRejected
	orderRefused
	orderRetried
	orderGivenUp
	orderUnknown
)

// TestOutcomes takes each type through what can become of an event. The retries that are used up are in
// TestRetriesExhausted, which needs traffic of another key.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, setup{results: true})
			r.configure("breaker.consecutive_failures=1000", "breaker.min_requests=1000")
			const echo = "单号已关闭 17700000000 mk"
			faults := []simulator.Fault{
				{Match: simulator.Match{Key: k.key(orderRejected), Nth: 1}, Action: simulator.Action{Code: 15, SubCode: "isv.order-closed", SubMsg: "closed"}},
				{Match: simulator.Match{Key: k.key(orderRefused), Nth: 1}, Action: simulator.Action{Business: k.refusal(echo)}},
			}
			if k.repeatable {
				faults = append(faults,
					simulator.Fault{Match: simulator.Match{Key: k.key(orderRetried)}, Times: 2, Action: simulator.Action{Status: 503}})
			} else { // the only failures after which a create is tried again are those that prove that nothing ran
				faults = append(faults,
					simulator.Fault{Match: simulator.Match{Key: k.key(orderRetried)}, Times: 1, Action: simulator.Action{BanSeconds: 1}})
			}
			r.gateway.faults(faults...)
			r.sampleCommits()

			well := k.event(orderWell)
			invalid := k.event(orderInvalid).and(map[string]any{"nonsense": 1})
			rejected, refused, retried := k.event(orderRejected), k.event(orderRefused), k.event(orderRetried)
			r.publish(well, invalid, rejected, refused, retried)
			events := 5
			want := map[string]int{k.name + " delivered": 2, k.name + " invalid_data": 1, k.name + " rejected": 2}
			if k.repeatable { // later events of each key flow, in their order
				for _, order := range []int{orderWell, orderInvalid, orderRejected, orderRefused, orderRetried} {
					r.publish(k.events(order, 3)...)
				}
				events, want[k.name+" delivered"] = 20, 17
			}
			r.start()
			r.await(events)
			// The ledger knows the first one; what was invalid or rejected may use its id again.
			r.publish(well.again(), k.event(orderInvalid).named(invalid.id), k.event(orderRejected).named(rejected.id))
			want[k.name+" duplicate"]++
			want[k.name+" delivered"] += 2
			r.await(3)
			r.stop()

			fates := r.audit(claims{})
			r.expect(fates, want)
			for e, headers := range map[*ev]map[string]string{
				invalid:  {"toprelay-pointer": "/nonsense", "toprelay-attempts": "0"},
				rejected: {"toprelay-code": "15", "toprelay-sub-code": "isv.order-closed", "toprelay-attempts": "1", "toprelay-ambiguous": "false"},
				refused:  {"toprelay-attempts": "1", "toprelay-ambiguous": "false"},
			} {
				letter := r.letterOf(fates, e)
				for name, value := range headers {
					if got := header(letter, name); got != value {
						t.Errorf("order %s: the letter's %s is %q, want %q", e.key, name, got, value)
					}
				}
			}
			letter := r.letterOf(fates, refused)
			if k != create && header(letter, "toprelay-code") != "ORDER_CLOSED" {
				t.Errorf("the code of a business failure is %q", header(letter, "toprelay-code"))
			}
			if message := header(letter, "kafka_dlt-exception-message"); !strings.Contains(message, "单号已关闭") || strings.Contains(message, "17700000000") {
				t.Errorf("the message of a business failure is %q: it must tell what the platform said, the number masked", message)
			}
			r.checkResults(fates)
			if k.repeatable {
				r.metric(map[string]float64{
					fmt.Sprintf(`requests_total{method=%q,result="transient"}`, k.method): 2,
					fmt.Sprintf(`requests_total{method=%q,result="rejected"}`, k.method):  2,
					fmt.Sprintf(`retries_total{method=%q}`, k.method):                     2,
				})
			}
		})
	}
}

// named gives the event another id.
func (e *ev) named(id string) *ev {
	e.id = id
	for i, h := range e.record.Headers {
		if h.Key == "ce_id" {
			e.record.Headers[i] = event.Header{Key: "ce_id", Value: []byte(id)}
		}
	}
	return e
}

// TestRetriesExhausted: an event is given up only when its attempts are used up, its time is over, and another key of
// its method and account had a conclusive reply between its last two attempts.
func TestRetriesExhausted(t *testing.T) {
	t.Parallel()
	for _, k := range repeatableKinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			const most = 3
			r := newRelay(t, setup{})
			r.configure(fmt.Sprintf("retry.max_attempts=%d", most), "retry.give_up_after=20ms",
				"breaker.consecutive_failures=1000", "breaker.min_requests=1000")
			bad := k.event(orderGivenUp)
			r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: bad.key, Every: 1}, Action: simulator.Action{Status: 502}})
			r.sampleCommits()
			r.publish(bad)
			r.start()
			// Without a witness it goes on, whatever the counts say.
			for range 3 * most {
				r.awaitAttempt(bad.key)
			}
			if letters := r.letters(); len(letters) != 0 {
				t.Fatalf("given up without evidence against the event: %s", header(letters[0], "kafka_dlt-exception-message"))
			}
			healthy := 0
			for done := false; !done; healthy++ {
				r.publish(k.event(orderWell))
				for delivered := false; !delivered; {
					s := r.await(1)[0]
					delivered, done = s.Key != bad.key, done || s.Key == bad.key
					if done {
						break
					}
				}
			}
			r.settleAll()
			r.stop()
			fates := r.audit(claims{})
			r.expect(fates, map[string]int{k.name + " delivered": healthy, k.name + " retries_exhausted": 1})
			letter, calls := r.letterOf(fates, bad), len(of(r.gateway.log(), byMark(bad.mark)))
			if got := header(letter, "toprelay-attempts"); got != fmt.Sprint(calls) || calls <= 3*most {
				t.Errorf("the letter says %s attempts, the gateway saw %d", got, calls)
			}
			if header(letter, "toprelay-ambiguous") != "true" {
				t.Error("each 502 may have run: the letter must say that it is ambiguous")
			}
		})
	}
}

// settleAll waits until all that was published is committed.
func (r *relay) settleAll() {
	r.t.Helper()
	r.awaitLag(0)
}
