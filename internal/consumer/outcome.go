package consumer

import (
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// Kind is what became of an event. The zero value means that it is not settled: nothing may be committed past it.
type Kind uint8

const (
	NotSettled Kind = iota
	Delivered
	Duplicate
	Skipped
	DeadLettered
)

// String is the metric label (contract section 6).
func (k Kind) String() string {
	switch k {
	case Delivered:
		return "delivered"
	case Duplicate:
		return "duplicate"
	case Skipped:
		return "skipped"
	case DeadLettered:
		return "dead_lettered"
	default:
		return "not_settled"
	}
}

// WaitReason says why an event is not settled yet. It is a label of keys_waiting, beside the gate's own reasons.
type WaitReason string

const (
	WaitRetry      WaitReason = "retry"       // backs off after a failed attempt
	WaitBusy       WaitReason = "busy"        // another event with its idempotent id is being called
	WaitLedger     WaitReason = "ledger"      // the ledger does not answer
	WaitDeadLetter WaitReason = "dead_letter" // the dead-letter topic does not take the letter
	WaitResult     WaitReason = "result"      // the results topic does not take the result
	WaitGate       WaitReason = "gate"        // the gate decides when; it has reasons of its own
	WaitShutdown   WaitReason = "shutdown"    // the worker stops or has lost the partition
)

// ledgerStep is what the ledger is told about an attempt.
type ledgerStep uint8

const (
	ledgerNothing   ledgerStep = iota // no claim is held
	ledgerDelivered                   // success
	ledgerUnknown                     // may have run, nobody knows
	ledgerFailed                      // failed, will be tried again: keep the history
	ledgerRelease                     // costs no attempt: as if it had not been tried
	ledgerForget                      // dead letter without a call: the id may be used again
	ledgerLettered                    // dead letter of a call that may be repeated: so may the id, by any record but this one
	ledgerKeep                        // leave the claim where it is: the call may have run and must not be repeated
)

// Outcome is the result of one attempt. Settle turns it into what is written; nothing else does.
type Outcome struct {
	Kind Kind

	// Of a dead letter.
	Reason  event.Reason
	Pointer string
	Message string // masked

	// Of an event that is not settled: why, and not before when (zero: the gate decides).
	Wait  WaitReason
	Until time.Time

	Reply   top.Reply     // of the call; zero where none was made
	Called  bool          // a call was made
	Fields  []byte        // the reply's business fields as JSON, masked; of a duplicate the stored ones
	History retry.History // after this attempt

	step     ledgerStep
	token    uint64
	lettered bool // its dead letter is acknowledged
	again    bool // the record was settled like this before, and is read again
	reclaim  bool // its claim is over: the ledger's step needs a new one
}

// wait is an outcome that settles nothing.
func wait(reason WaitReason, until time.Time) Outcome {
	return Outcome{Wait: reason, Until: until}
}

// giveUp is the outcome of a dead letter. The ledger step depends on whether a claim is held.
func giveUp(d event.Defect) Outcome {
	return Outcome{Kind: DeadLettered, Reason: d.Reason, Pointer: d.Pointer, Message: d.Message}
}
