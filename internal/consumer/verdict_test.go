package consumer

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// String names the step in the tables of tests.
func (s ledgerStep) String() string {
	return [...]string{"nothing", "delivered", "unknown", "failed", "release", "forget", "lettered", "keep"}[s]
}

// verdict is what a table says of an outcome.
type verdict struct {
	kind    Kind
	reason  event.Reason
	wait    WaitReason
	after   time.Duration // from now; 0: the gate decides, or at once
	step    ledgerStep
	history string
}

func (v verdict) String() string {
	return fmt.Sprintf("%s %q, waits for %q %v, ledger %s, history {%s}", v.kind, v.reason, v.wait, v.after, v.step, v.history)
}

func described(h retry.History) string {
	s := fmt.Sprint("attempts ", h.Attempts)
	if h.Ambiguous {
		s += " ambiguous"
	}
	if h.Spared > 0 {
		s += fmt.Sprint(" spared ", h.Spared)
	}
	if h.ParseRetried {
		s += " parse-retried"
	}
	return s
}

// judging is a case: a reply to a call, and what was so before it.
type judging struct {
	name    string
	typ     string // default: status
	reply   top.Reply
	history retry.History
	tried   bool // another key has passed since this one was refused
	probe   bool // the call finds out whether a pause or a breaker is over
	paused  bool // its scope was banned while it was in flight
	storm   bool // the scope is pausing for a rejection storm
	witness bool // another key passed between this attempt and the one before
	active  time.Duration
	want    verdict
}

// exhaustible is a history whose next failure is the last, if there is a witness.
var exhaustible = retry.History{Attempts: 2, Active: 3 * time.Second}

func parseCode() top.Reply {
	return top.Reply{Class: top.ClassTransient, RetryOnce: true, Written: true, Code: "15", SubCode: "isp.top-parse-error"}
}

func TestVerdict(t *testing.T) {
	wasAmbiguous := retry.History{Attempts: 1, Ambiguous: true}
	tests := []judging{
		// ok
		{name: "ok", reply: accepted(), want: verdict{Delivered, "", "", 0, ledgerDelivered, "attempts 0"}},
		{name: "ok after failures", reply: accepted(), history: retry.History{Attempts: 2},
			want: verdict{Delivered, "", "", 0, ledgerDelivered, "attempts 2"}},
		{name: "ok of a probe", reply: accepted(), probe: true, want: verdict{Delivered, "", "", 0, ledgerDelivered, "attempts 0"}},
		{name: "ok, not repeatable", typ: createType, reply: accepted(), want: verdict{Delivered, "", "", 0, ledgerDelivered, "attempts 0"}},
		{name: "ok by a duplicate code", reply: top.Reply{Class: top.ClassOK, Duplicate: true, Code: "DUP"},
			want: verdict{Delivered, "", "", 0, ledgerDelivered, "attempts 0"}},

		// rejected
		{name: "rejected", reply: refused(), want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 1"}},
		{name: "rejected, not repeatable", typ: createType, reply: refused(),
			want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 1"}},
		{name: "rejected after an ambiguous attempt: the id stays known", reply: refused(), history: wasAmbiguous,
			want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 2 ambiguous"}},
		{name: "rejected as a probe: the world is well, the event is not", reply: refused(), probe: true,
			want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 1"}},
		{name: "rejected in a storm: waits with the others", reply: refused(), storm: true,
			want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},

		// throttled: costs nothing
		{name: "throttled", reply: banned(time.Minute), want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "throttled, not repeatable", typ: createType, reply: banned(time.Minute),
			want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "throttled again and again", reply: banned(time.Minute), history: exhaustible, witness: true, active: time.Hour,
			want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 2"}},

		// session and misconfigured: the world's fault until another key has passed
		{name: "session", reply: sessionDead(), want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "session at once", reply: sessionGone(), want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "session, not repeatable", typ: createType, reply: sessionDead(),
			want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "session as a probe", reply: sessionDead(), probe: true, want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "session after another key passed", reply: sessionDead(), tried: true,
			want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1 spared 1"}},
		{name: "session after another key passed, again", reply: sessionDead(), tried: true, history: retry.History{Attempts: 1, Spared: 1},
			want: verdict{NotSettled, "", WaitRetry, 2 * time.Second, ledgerFailed, "attempts 2 spared 2"}},
		{name: "session after another key passed, three times", reply: sessionDead(), tried: true, history: retry.History{Attempts: 2, Spared: 2},
			want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 3 spared 3"}},
		{name: "misconfigured", reply: misconfigured(), want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0"}},
		{name: "misconfigured after another key passed, three times", typ: createType, reply: misconfigured(), tried: true,
			history: retry.History{Attempts: 2, Spared: 2}, want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 3 spared 3"}},
		{name: "misconfigured, three times, after an ambiguous attempt", reply: misconfigured(), tried: true,
			history: retry.History{Spared: 2, Ambiguous: true},
			want:    verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 1 ambiguous spared 3"}},

		// transient: retried at the policy's intervals
		{name: "nothing sent", reply: unreachable(), want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1"}},
		{name: "the API says that it did not do it: no doubt", reply: top.Reply{Class: top.ClassTransient, Written: true, Definite: true, Code: "SYSTEM_ERROR"},
			want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1"}},
		{name: "nothing sent, not repeatable", typ: createType, reply: unreachable(),
			want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1"}},
		{name: "may have run", reply: broken(), want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1 ambiguous"}},
		{name: "second failure", reply: unreachable(), history: retry.History{Attempts: 1},
			want: verdict{NotSettled, "", WaitRetry, 2 * time.Second, ledgerFailed, "attempts 2"}},
		{name: "an ambiguous one before is not forgotten", reply: unreachable(), history: wasAmbiguous,
			want: verdict{NotSettled, "", WaitRetry, 2 * time.Second, ledgerFailed, "attempts 2 ambiguous"}},
		{name: "a probe of a breaker spends no attempt", reply: unreachable(), history: exhaustible, probe: true, witness: true, active: time.Hour,
			want: verdict{NotSettled, "", WaitRetry, 0, ledgerFailed, "attempts 2"}},
		{name: "a failure in a scope that is paused by now spends no attempt", reply: broken(), history: exhaustible, paused: true, witness: true, active: time.Hour,
			want: verdict{NotSettled, "", WaitRetry, 0, ledgerFailed, "attempts 2 ambiguous"}},

		// giving up needs all three
		{name: "attempts, time and witness: exhausted", reply: unreachable(), history: exhaustible, witness: true, active: time.Second,
			want: verdict{DeadLettered, event.ReasonRetriesExhausted, "", 0, ledgerLettered, "attempts 3"}},
		{name: "exhausted and ambiguous", reply: broken(), history: exhaustible, witness: true, active: time.Second,
			want: verdict{DeadLettered, event.ReasonRetriesExhausted, "", 0, ledgerLettered, "attempts 3 ambiguous"}},
		{name: "no witness: goes on at the longest interval", reply: unreachable(), history: exhaustible, active: time.Hour,
			want: verdict{NotSettled, "", WaitRetry, 8 * time.Second, ledgerFailed, "attempts 3"}},
		{name: "too early: goes on", reply: unreachable(), history: exhaustible, witness: true, active: time.Second - 1,
			want: verdict{NotSettled, "", WaitRetry, 8 * time.Second, ledgerFailed, "attempts 3"}},
		{name: "too few attempts: goes on", reply: unreachable(), history: retry.History{Attempts: 1, Active: time.Hour}, witness: true, active: time.Second,
			want: verdict{NotSettled, "", WaitRetry, 2 * time.Second, ledgerFailed, "attempts 2"}},

		// the platform could not read the parameters
		{name: "a parse code once", reply: parseCode(), want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1 parse-retried"}},
		{name: "a parse code twice", reply: parseCode(), history: retry.History{ParseRetried: true},
			want: verdict{DeadLettered, event.ReasonRejected, "", 0, ledgerLettered, "attempts 1 parse-retried"}},
		{name: "a parse code twice in a storm: waits with the others", reply: parseCode(), history: retry.History{ParseRetried: true}, storm: true,
			want: verdict{NotSettled, "", WaitGate, 0, ledgerRelease, "attempts 0 parse-retried"}},

		// ambiguous
		{name: "ambiguous, not repeatable", typ: createType, reply: ambiguous(),
			want: verdict{DeadLettered, event.ReasonOutcomeUnknown, "", 0, ledgerUnknown, "attempts 1 ambiguous"}},
		{name: "ambiguous as a probe, not repeatable", typ: createType, reply: ambiguous(), probe: true,
			want: verdict{DeadLettered, event.ReasonOutcomeUnknown, "", 0, ledgerUnknown, "attempts 1 ambiguous"}},
		{name: "ambiguous, repeatable", reply: ambiguous(), want: verdict{NotSettled, "", WaitRetry, time.Second, ledgerFailed, "attempts 1 ambiguous"}},

		// interrupted by the drain: no failure
		{name: "cancelled before a byte was written", reply: top.Reply{Class: top.ClassCancelled, NothingRan: true},
			want: verdict{NotSettled, "", WaitShutdown, 0, ledgerRelease, "attempts 0"}},
		{name: "cancelled when it may have run: not forgotten", reply: top.Reply{Class: top.ClassCancelled, Written: true},
			want: verdict{NotSettled, "", WaitShutdown, 0, ledgerFailed, "attempts 0 ambiguous"}},
		{name: "cancelled when it may have run, after one that may have", reply: top.Reply{Class: top.ClassCancelled, Written: true}, history: wasAmbiguous,
			want: verdict{NotSettled, "", WaitShutdown, 0, ledgerRelease, "attempts 1 ambiguous"}},
		{name: "cancelled before a byte was written, not repeatable", typ: createType, reply: top.Reply{Class: top.ClassCancelled, NothingRan: true},
			want: verdict{NotSettled, "", WaitShutdown, 0, ledgerRelease, "attempts 0"}},
		{name: "cancelled when it may have run, not repeatable: the claim tells", typ: createType, reply: top.Reply{Class: top.ClassCancelled, Written: true},
			want: verdict{NotSettled, "", WaitShutdown, 0, ledgerKeep, "attempts 0"}},
		{name: "a reply of no class is no failure", reply: top.Reply{},
			want: verdict{NotSettled, "", WaitShutdown, 0, ledgerRelease, "attempts 0"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in(t, func(s *setup) { s.gate.FuseKeys = 1 }, func(r *rig) { r.judge(tt) })
		})
	}
}

// judge makes one call in the world of the case and compares its outcome.
func (r *rig) judge(tt judging) {
	r.t.Helper()
	record := status("e-1", 1)
	if tt.typ == createType {
		record = create("e-1")
	}
	it := r.worker.decode(newPartition(Assignment{TopicPartition: part(0)}), record, time.Now())
	if it.defect != nil {
		r.t.Fatal(it.defect)
	}
	it.history, it.loaded = tt.history, true
	if tt.history.Attempts > 0 {
		it.history.LastAttemptAt, it.history.FirstFailedAt = time.Now(), time.Now()
	}
	it.mark = r.gate.Active(it.scope())
	time.Sleep(tt.active)
	if tt.witness {
		time.Sleep(time.Nanosecond)
		it.mark++
		r.pass1(it.scope(), "another")
	}
	if tt.tried {
		refused, _ := r.gate.Admit(it.scope(), it.key)
		refused.Done(report(tt.reply, retry.History{}))
		r.pass1(it.scope(), "another")
	}
	permit, refusal := r.gate.Admit(it.scope(), it.key)
	if permit == nil {
		r.t.Fatal(refusal.Reason)
	}
	permit.Probe = tt.probe
	if tt.paused {
		other, _ := r.gate.Admit(it.scope(), "another")
		other.Done(retry.Report{Kind: retry.KindThrottled, Wait: time.Minute})
	}
	if tt.storm {
		other, _ := r.gate.Admit(it.scope(), "another")
		other.Done(retry.Report{Kind: retry.KindRejected})
	}
	now := time.Now()
	out := r.worker.judge(it, 7, permit, tt.reply)
	got := verdict{out.Kind, out.Reason, out.Wait, 0, out.step, described(out.History)}
	if out.Until.After(now) {
		got.after = out.Until.Sub(now)
	}
	r.want("verdict", got, tt.want)
	if out.token != 7 || !out.Called {
		r.t.Errorf("token %d, called %v", out.token, out.Called)
	}
	if out.Kind != DeadLettered && out.Kind != Delivered {
		r.want("history of the event", described(it.history), tt.want.history)
	}
	if failed := out.History.Attempts > tt.history.Attempts; failed && (!out.History.LastAttemptAt.Equal(now) || out.History.FirstFailedAt.IsZero()) {
		r.t.Errorf("a failed attempt leaves the times %v and %v", out.History.FirstFailedAt, out.History.LastAttemptAt)
	}
	r.metric(`toprelay_calls_in_flight{method="`+it.typ.Method+`"}`, 0) // the permit was given back
}

// pass1 is a call of a key that is accepted.
func (r *rig) pass1(s retry.Scope, key string) {
	r.t.Helper()
	p, refusal := r.gate.Admit(s, key)
	if p == nil {
		r.t.Fatal(refusal.Reason)
	}
	p.Done(retry.Report{Kind: retry.KindSuccess})
	synctest.Wait()
}
