package consumer

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/top"
)

// Without the ledger there are no calls. It is said once a minute, asked once a second, and all goes on when it is back.
func TestLedgerAway(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.ledger.failing(func(string) error { return errAway })
		for i := range 30 {
			r.produce(status(fmt.Sprintf("e-%d", i), i))
		}
		r.pass(90 * time.Second)
		r.want("calls", len(r.caller.all()), 0)
		r.want("settled", r.results.outcomes(), []string{})
		r.want("committed", r.kafka.at(part(0)), 0)
		if n := len(r.logs.with(t, "the ledger does not answer; no calls are made")); n != 2 {
			t.Errorf("said %d times in 90 s", n)
		}
		// Each second as many ask as may be under way at once, not more.
		if n := r.ledger.failed["claim"]; n < 90 || n > 91*8 {
			t.Errorf("%d claims failed in 90 s", n)
		}
		r.ledger.failing(nil)
		r.pass(3 * time.Second)
		r.want("settled", len(r.results.list()), 30)
		r.want("committed", r.kafka.at(part(0)), 30)
		if n := len(r.logs.with(t, "the ledger answers again")); n != 1 {
			t.Errorf("its end was said %d times", n)
		}
		r.metric(`toprelay_keys_waiting{reason="ledger"}`, 0)
	})
}

// What is away for moments again and again does not fill the log.
func TestLedgerFlaps(t *testing.T) {
	started(t, nil, func(r *rig) {
		n := 0
		r.ledger.failing(func(string) error {
			if n++; n%3 == 0 {
				return errAway
			}
			return nil
		})
		for i := range 300 {
			r.produce(status(fmt.Sprintf("e-%d", i), i))
			r.pass(500 * time.Millisecond)
		}
		r.pass(time.Minute)
		r.want("settled", len(r.results.list()), 300)
		if n := len(r.logs.with(t, "the ledger does not answer; no calls are made")) + len(r.logs.with(t, "the ledger answers again")); n > 8 {
			t.Errorf("said %d times in three and a half minutes", n)
		}
	})
}

// The ledger comes back and all are duplicates: that it answers is said all the same.
func TestLedgerBackWithDuplicates(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.has("e-1", "delivered")
		r.ledger.failing(func(string) error { return errAway })
		r.produce(status("e-1", 1))
		r.pass(10 * time.Second)
		r.ledger.failing(nil)
		r.pass(2 * time.Second)
		r.want("settled", r.results.outcomes(), []string{"e-1 duplicate"})
		if n := len(r.logs.with(t, "the ledger answers again")); n != 1 {
			t.Errorf("its end was said %d times", n)
		}
	})
}

// A ledger that gives no answer at all is one that is away.
func TestLedgerWithoutAnswer(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.worker.ledger = silent{r.ledger}
		r.produce(status("e-1", 1))
		r.pass(5 * time.Second)
		r.want("calls", len(r.caller.all()), 0)
		r.metric(`toprelay_keys_waiting{reason="ledger"}`, 1)
	})
}

type silent struct{ Ledger }

func (silent) Claim(context.Context, ClaimRequest) (Claim, error) { return Claim{}, nil }

// A dry run does everything but the call: outcomes are counted, no letters and no results are written.
func TestDryRun(t *testing.T) {
	started(t, func(s *setup) { s.options.DryRun = true }, func(r *rig) {
		r.kafka.settled = func(TopicPartition, int64) bool { return true } // there are no results to tell by
		r.caller.answer(func(fakeCall) top.Reply { t.Error("a dry run made a call"); return accepted() })
		r.produce(status("e-1", 1), status("e-1", 1), status("e-2", 2, value("")), create("e-3", expires(-time.Second)))
		r.pass(time.Second)
		r.want("committed", r.kafka.at(part(0)), 4)
		r.want("letters and results", len(r.letters.list())+len(r.results.list()), 0)
		r.metric(`toprelay_events_settled_total{outcome="delivered",type="`+statusType+`"}`, 1)
		r.metric(`toprelay_events_settled_total{outcome="duplicate",type="`+statusType+`"}`, 1)
		r.metric(`toprelay_events_settled_total{outcome="dead_lettered",type="`+statusType+`"}`, 1)
		r.metric(`toprelay_events_settled_total{outcome="dead_lettered",type="`+createType+`"}`, 1)
		for series, n := range r.series() {
			if strings.HasPrefix(series, "toprelay_dead_letters_total") && n != 0 {
				t.Errorf("%s = %v: nothing was written", series, n)
			}
		}
		for _, line := range r.logs.with(t, "settled") {
			if line["dry_run"] != true {
				t.Errorf("a line of a dry run does not say so: %v", line)
			}
		}
	})
}

// A ledger that hangs is one that is away: it is said, the keys wait for it and not for a slot, and nobody holds a permit
// but the one call that asks whether it is back.
func TestLedgerHangs(t *testing.T) {
	in(t, nil, func(r *rig) {
		h := &hanging{Ledger: r.ledger, free: make(chan struct{})}
		r.worker.ledger = h
		r.kafka.assign(part(0))
		r.start()
		for i := range 20 {
			r.produce(status(fmt.Sprintf("e-%d", i), i))
		}
		r.pass(10 * time.Minute)
		r.want("calls", len(r.caller.all()), 0)
		if n := len(r.logs.with(t, "the ledger does not answer; no calls are made")); n != 10 {
			t.Errorf("said %d times in ten minutes", n)
		}
		if line := r.logs.with(t, "the ledger does not answer; no calls are made")[0]; !strings.Contains(fmt.Sprint(line["error"]), "no answer within 5s") {
			t.Errorf("the line says %v", line)
		}
		if n := r.series()[`toprelay_keys_waiting{reason="ledger"}`]; n < 19 {
			t.Errorf("%v of 20 keys wait for the ledger: %v", n, r.worker.Waiting())
		}
		if n := r.series()[`toprelay_calls_in_flight{method="`+statusMethod+`"}`]; n > 1 {
			t.Errorf("%v permits are held for want of a claim", n)
		}
		close(h.free)
		r.pass(10 * time.Second)
		r.want("settled", len(r.results.list()), 20)
		r.metric(`toprelay_keys_waiting{reason="ledger"}`, 0)
	})
}

// hanging is a ledger whose claims wait until free is closed.
type hanging struct {
	Ledger
	free chan struct{}
}

func (h *hanging) Claim(ctx context.Context, r ClaimRequest) (Claim, error) {
	select {
	case <-h.free:
		return h.Ledger.Claim(ctx, r)
	case <-ctx.Done():
		return Claim{}, ctx.Err()
	}
}

// A ledger that gives no claims for one method stops that method only, until it gives them again.
func TestLedgerRefusesAMethod(t *testing.T) {
	started(t, nil, func(r *rig) {
		r.ledger.refusing(createMethod)
		r.produce(create("c-1"))
		r.pass(time.Second)
		begin := time.Now()
		r.produce(status("e-1", 1))
		r.pass(100 * time.Millisecond) // not held up by what is refused
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		r.pass(2*time.Minute - time.Since(begin))
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered"})
		r.metric(`toprelay_keys_waiting{reason="ledger"}`, 1)
		if n := len(r.logs.with(t, "the ledger gives no claims for a method; its events wait")); n != 3 {
			t.Errorf("said %d times in two minutes", n)
		}
		r.ledger.refusing("")
		r.pass(refusedRetry)
		r.want("settled", r.results.outcomes(), []string{"e-1 delivered", "c-1 delivered"})
		if n := len(r.logs.with(t, "the ledger gives claims for the method again")); n != 1 {
			t.Errorf("its end was said %d times", n)
		}
	})
}
