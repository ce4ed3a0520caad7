package consumer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
)

// TopicPartition names one partition of one topic.
type TopicPartition struct {
	Topic     string
	Partition int
}

// Assignment is a partition that a generation owns, and the first offset to fetch from it: the group's committed
// offset, or the start of the log for a partition without one.
type Assignment struct {
	TopicPartition
	Offset int64
}

// Batch is what one fetch brought.
type Batch struct {
	// Records are the committed records in offset order. Aborted records and transaction markers are not among them.
	Records []event.Record
	// Next is the offset to fetch next. It is past gaps, markers and aborted records, so it may be more than the last
	// record's offset + 1, and may move although Records is empty.
	Next int64
	// End is the last stable offset (the next one to be written where no transaction is open).
	End int64
	// Skipped counts records of aborted transactions and markers that were left out.
	Skipped int
}

// ErrOffsetOutOfRange says that a position is outside the log: retention has overtaken it, or the topic was made anew.
var ErrOffsetOutOfRange = errors.New("offset out of range")

// RangeError is an ErrOffsetOutOfRange that says where the log is.
type RangeError struct {
	TopicPartition
	Offset        int64
	LogStart, End int64 // -1 where the broker did not say
}

func (e *RangeError) Error() string {
	if e.LogStart < 0 {
		return fmt.Sprintf("fetch %s from offset %d: offset out of range", e.TopicPartition, e.Offset)
	}
	return fmt.Sprintf("fetch %s from offset %d: offset out of range: the log holds %d to %d",
		e.TopicPartition, e.Offset, e.LogStart, e.End)
}

func (e *RangeError) Unwrap() error { return ErrOffsetOutOfRange }

// Generation is one membership of the consumer group with a fixed assignment.
type Generation interface {
	Assignments() []Assignment
	// Fetch reads from offset on. It waits at most 500 ms for the first record, then returns an empty batch.
	// It fails with ErrOffsetOutOfRange where offset is outside the log. Safe for concurrent use.
	Fetch(ctx context.Context, tp TopicPartition, offset int64) (Batch, error)
	// Commit commits the next offset to read of each partition. It also renews the member's session.
	Commit(ctx context.Context, offsets map[TopicPartition]int64) error
	// Ended is closed when the group rebalances: stop fetching, drain, commit, Release.
	Ended() <-chan struct{}
	// Release gives the assignment back. After it Commit fails.
	Release()
}

// Source joins the group and hands out its generations, one at a time.
type Source interface {
	// Next waits for the next generation. The one before must have been released.
	Next(ctx context.Context) (Generation, error)
	Close() error
}

// LedgerKey identifies what must reach TOP once.
type LedgerKey struct {
	Method, Account, ID string
}

// Content is the versioned hash of an event's canonical data. Contents of different versions compare as equal.
type Content struct {
	Version uint8
	Hash    [32]byte
}

// Answer is what the ledger says to a claim. The zero value is no answer.
type Answer uint8

const (
	AnswerMine      Answer = iota + 1 // the caller holds the claim and may call
	AnswerDelivered                   // was delivered before
	AnswerUnknown                     // an earlier call may have run, and nobody knows; it is not to be repeated
	AnswerBusy                        // somebody else is on it until Claim.BusyUntil
	AnswerAbandoned                   // not repeatable, and an earlier claim ended without a result
)

// ClaimRequest asks for the right to make one attempt.
type ClaimRequest struct {
	Key        LedgerKey
	Content    Content
	Lease      time.Duration // how long the claim may be held: the call's time-out + 5 s
	Repeatable bool
}

// Claim is the ledger's answer.
type Claim struct {
	Answer Answer
	// Conflict says that AnswerDelivered or AnswerUnknown was given to another content. An unknown id of a repeatable
	// method is AnswerMine to its own content.
	Conflict bool
	// Token proves the claim to the ledger; only its holder can complete it.
	Token uint64
	// History is what earlier attempts left (AnswerMine, AnswerUnknown, AnswerAbandoned).
	History retry.History
	// Reply is what Delivered was given for a delivered id, or nil.
	Reply []byte
	// BusyUntil is the other claim's deadline (AnswerBusy).
	BusyUntil time.Time
}

// ErrClaimLost says that the token is no longer the holder's: the claim ran out and another owner took it over.
var ErrClaimLost = errors.New("claim lost")

// ErrClaimRefused says that the ledger gives no claims for this method for now, although it is there and others get theirs.
var ErrClaimRefused = errors.New("the ledger gives no claim for this method")

// Ledger remembers what was delivered, and who is on what (contract section 7, promise 5). Every method is durable when
// it returns nil. All are safe for concurrent use.
type Ledger interface {
	Claim(ctx context.Context, r ClaimRequest) (Claim, error)
	// Delivered records the success. reply is at most 4 KiB: what the reply said, and to which record.
	Delivered(ctx context.Context, k LedgerKey, token uint64, c Content, reply []byte) error
	// Unknown records that a call may have run and that nobody knows.
	Unknown(ctx context.Context, k LedgerKey, token uint64, c Content, h retry.History) error
	// Failed gives the claim back and keeps the history for the next attempt.
	Failed(ctx context.Context, k LedgerKey, token uint64, h retry.History) error
	// Release gives the claim back and leaves the history as it was: interrupted work costs no attempt.
	Release(ctx context.Context, k LedgerKey, token uint64) error
	// Forget drops the id, so that a corrected event may use it again: after a clean dead letter.
	Forget(ctx context.Context, k LedgerKey, token uint64) error
}

// Letter is an event that is given up, with why.
type Letter struct {
	Record    *event.Record
	Reason    event.Reason
	Pointer   string // JSON Pointer into data, for invalid_data
	Message   string // masked, at most 1 KiB
	Type      string
	Key       string // ordering key
	EventID   string
	Account   string
	Method    string
	Code      string
	SubCode   string
	RequestID string
	Attempts  int
	Ambiguous bool

	FirstFailedAt time.Time // zero where no attempt was made
	FailedAt      time.Time
}

// DeadLetters takes events that are given up.
type DeadLetters interface {
	// Write returns nil only after all in-sync replicas have the letter.
	Write(ctx context.Context, l Letter) error
}

// Result is what became of a settled event (contract section 6, Results).
type Result struct {
	Record      *event.Record
	EventID     string
	EventSource string
	EventType   string
	Account     string
	Key         string
	Outcome     string
	Reason      string
	Method      string
	Code        string
	SubCode     string
	Message     string
	RequestID   string
	Attempts    int
	Reply       []byte // a JSON object, masked, or nil
}

// Results takes what became of the events. A nil Results is allowed where no results topic is configured.
type Results interface {
	// Write returns nil only after all in-sync replicas have the result.
	Write(ctx context.Context, r Result) error
}
