package consumer

import "time"

// Settled is what an observer hears about an event that was settled.
type Settled struct {
	Outcome  Kind
	Type     string
	Key      string
	EventID  string
	Reason   string
	Message  string
	Code     string
	SubCode  string
	Attempts int
	Age      time.Duration // from publishing to settling
	Waited   time.Duration // from fetching to the start of the first call; 0 where none was made
}

// Attempted is what an observer hears about a failed attempt that will be repeated.
type Attempted struct {
	Type     string
	Key      string
	Class    string
	Code     string
	SubCode  string
	Attempts int
	Wait     time.Duration
}

// Observer is shown what happens, beside the log and the metrics: the demo draws its picture from it. Its methods are
// called from many goroutines and must not block.
type Observer interface {
	Settled(Settled)
	Attempted(Attempted)
}

func observed(it *item, out Outcome, now time.Time) Settled {
	return Settled{
		Outcome: out.Kind, Type: it.typeLabel(), Key: it.key, EventID: it.event.ID, Reason: string(out.Reason),
		Message: out.Message, Code: out.Reply.Code, SubCode: out.Reply.SubCode, Attempts: out.attempts(),
		Age: now.Sub(it.published()), Waited: it.waited,
	}
}
