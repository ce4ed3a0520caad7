package retry

import (
	"errors"
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"
)

// What a breaker is told of an outcome that is no success.
var (
	errFailed   = errors.New("call failed")
	errExcluded = errors.New("call says nothing about the method's gateway")
)

// windowSteps is into how many buckets the breaker's rolling window is divided.
const windowSteps = 10

// breaker decides whether a method's gateway is well. gobreaker holds the window and the states. What it cannot do is
// here: failures in a row are counted over any length of time (gobreaker forgets them with the window, so that at one
// call a minute it would never see five), from at least two keys; an open breaker waits and lets one probe after the
// other through, on different keys where there are some; and for a method that is not repeatable the time between
// probes doubles.
type breaker struct {
	gate   *Gate
	method *method
	cb     *gobreaker.TwoStepCircuitBreaker[struct{}]

	state      gobreaker.State
	generation uint64 // of moves; outcomes of calls that began before a move say nothing
	due        time.Time
	interval   time.Duration
	probing    bool
	last       lane // of the last failed probe
	opened     time.Time

	row     int  // failures since the last success
	rowKey  lane // of the first of them
	rowKeys int  // 2 stands for two or more
	trip    bool // open at this failure
}

func (b *breaker) init(g *Gate, m *method) {
	o := g.options.Breaker
	b.gate, b.method, b.interval = g, m, o.OpenFor
	b.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:          m.name,
		MaxRequests:   1,
		Interval:      o.Window,
		BucketPeriod:  max(o.Window/windowSteps, 1),
		Timeout:       o.OpenFor,
		ReadyToTrip:   b.readyToTrip,
		OnStateChange: b.moved,
		IsSuccessful:  func(err error) bool { return err == nil },
		IsExcluded:    func(err error) bool { return errors.Is(err, errExcluded) },
	})
}

func (b *breaker) closed() bool { return b.state == gobreaker.StateClosed }

// pass lets every call through a closed breaker, and a probe through one that is not when one is due.
func (b *breaker) pass(now time.Time, p *Permit) *Refusal {
	switch {
	case b.closed():
		return nil
	case b.probing:
		return &Refusal{Reason: ReasonBreakerOpen}
	case now.Before(b.due):
		return &Refusal{Reason: ReasonBreakerOpen, Until: b.due}
	case b.last == p.lane() && now.Before(b.due.Add(grace)):
		return &Refusal{Reason: ReasonBreakerOpen, Until: b.due.Add(grace), KeyOnly: true}
	}
	p.Probe = true
	return nil
}

// admit takes the probe's place in gobreaker, which becomes half-open by this. A call through a closed breaker is made
// known to it only by its outcome: gobreaker drops outcomes of calls that began more than a window ago, and a method
// whose calls hang that long would never open.
func (b *breaker) admit(now time.Time, p *Permit) *Refusal {
	if !b.closed() {
		done, err := b.cb.Allow()
		if err != nil { // gobreaker does not think that the probe is due: ask it again soon
			b.due = now.Add(10 * time.Millisecond)
			return &Refusal{Reason: ReasonBreakerOpen, Until: b.due}
		}
		p.probeDone, b.probing = done, true
	}
	p.generation = b.generation
	return nil
}

// done takes a call's outcome in.
func (b *breaker) done(p *Permit, r Report) {
	outcome, counts := errExcluded, false
	switch r.Kind {
	case KindSuccess, KindRejected:
		outcome, counts = nil, true
	case KindFailure:
		outcome, counts = errFailed, true
	}
	if p.probeDone != nil {
		b.probing = false
		if r.Kind == KindFailure {
			b.last = p.lane()
		}
		p.probeDone(outcome)
		return
	}
	if !counts || p.generation != b.generation {
		return
	}
	b.count(p.lane(), outcome)
	b.trip = r.Ambiguous && !b.method.repeatable
	if done, err := b.cb.Allow(); err == nil {
		done(outcome)
	}
	if !b.closed() {
		b.gate.log(slog.LevelWarn, "breaker opened", slog.String("method", b.method.name),
			slog.Time("next_probe", b.due), slog.String("detail", r.Detail))
	}
}

// count counts failures in a row and whether they are of more than one key.
func (b *breaker) count(l lane, outcome error) {
	switch {
	case outcome == nil:
		b.row, b.rowKeys, b.rowKey = 0, 0, lane{}
		return
	case b.row == 0:
		b.rowKey, b.rowKeys = l, 1
	case l != b.rowKey:
		b.rowKeys = 2
	}
	b.row++
}

// readyToTrip is asked by gobreaker after each failure while it is closed.
func (b *breaker) readyToTrip(c gobreaker.Counts) bool {
	o := &b.gate.options.Breaker
	if b.trip || b.row >= o.ConsecutiveFailures && b.rowKeys >= 2 {
		return true
	}
	outcomes := c.TotalSuccesses + c.TotalFailures
	return int(outcomes) >= o.MinRequests && float64(c.TotalFailures) >= o.FailureRatio*float64(outcomes)
}

// moved is called by gobreaker, inside Allow or an outcome, when its state changes.
func (b *breaker) moved(_ string, from, to gobreaker.State) {
	now := time.Now()
	g := b.gate
	b.state = to
	b.generation++
	g.metrics.moved(b.method.name, to)
	switch to {
	case gobreaker.StateOpen:
		if from == gobreaker.StateClosed {
			b.opened, b.interval, b.last = now, g.options.Breaker.OpenFor, lane{}
		} else if !b.method.repeatable {
			b.interval = min(2*b.interval, max(g.options.MaxProbeInterval, b.interval))
		}
		// gobreaker is open up to and including its own deadline, which it took before this now.
		b.due = now.Add(b.interval + 1)
	case gobreaker.StateClosed:
		b.row, b.rowKeys, b.rowKey = 0, 0, lane{}
		g.ramp(g.place(LevelMethod, Scope{Method: b.method.name}))
		g.log(slog.LevelInfo, "breaker closed", slog.String("method", b.method.name),
			after(now.Sub(b.opened)))
	}
	g.place(LevelMethod, Scope{Method: b.method.name}).rehold(now)
	g.signal()
}
