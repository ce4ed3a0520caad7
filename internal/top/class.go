package top

import "time"

// Class says what a reply means for the event (contract section 5). The zero value is no class.
type Class uint8

// The classes. ClassCancelled is none of the platform's: the caller's context ended before a reply was read.
const (
	ClassOK            Class = iota + 1 // accepted, or accepted before (Reply.Duplicate)
	ClassTransient                      // retry with backoff
	ClassThrottled                      // flow control: pause Reply.Scope for Reply.Wait
	ClassSession                        // the account's authorisation is dead or too small
	ClassMisconfigured                  // the world must be mended: secret, permission, clock, address
	ClassRejected                       // the event itself is refused
	ClassAmbiguous                      // not repeatable, and the call may have run without a definite answer
	ClassCancelled                      // interrupted: costs no attempt
)

// String is the value of the metric label "result".
func (c Class) String() string {
	switch c {
	case ClassOK:
		return "ok"
	case ClassTransient:
		return "transient"
	case ClassThrottled:
		return "throttled"
	case ClassSession:
		return "session"
	case ClassMisconfigured:
		return "misconfigured"
	case ClassRejected:
		return "rejected"
	case ClassAmbiguous:
		return "ambiguous"
	case ClassCancelled:
		return "cancelled"
	default:
		return "none"
	}
}

// Scope says what a throttled, session or misconfigured reply concerns: the smallest set of calls that get the same one.
type Scope uint8

// The scopes.
const (
	ScopeNone          Scope = iota
	ScopeAppKey              // all methods of the app key
	ScopeMethod              // the method over all app keys
	ScopeAppKeyMethod        // the app key and the method
	ScopeAccount             // all methods of the account
	ScopeAccountMethod       // the account and the method
)

// String is the scope's name in logs.
func (s Scope) String() string {
	switch s {
	case ScopeAppKey:
		return "app_key"
	case ScopeMethod:
		return "method"
	case ScopeAppKeyMethod:
		return "app_key_method"
	case ScopeAccount:
		return "account"
	case ScopeAccountMethod:
		return "account_method"
	default:
		return "none"
	}
}

// Reply is what one attempt brought.
type Reply struct {
	Class Class
	Scope Scope // throttled, session, misconfigured; else ScopeNone

	// Code, SubCode, Message and RequestID are the platform's, or Code and Message the business field's. Message is
	// unmasked: it may repeat what was sent.
	Code, SubCode, Message, RequestID string
	// Fields are the reply's own business fields by name: lists as plain arrays, numbers as json.Number.
	Fields map[string]any

	// Advice says what is wrong in fixed words, and what to look at: of throttled, session, misconfigured and rejected, where
	// it is known. It holds nothing that the platform said.
	Advice string
	// Wait is how long a throttled scope must rest.
	Wait time.Duration
	// Immediate says that the account pauses at once, without waiting for a second key (codes 26, 27, 44).
	Immediate bool
	// RetryOnce comes with ClassTransient for the three isp parse codes: a second one means that the event is rejected.
	RetryOnce bool
	// Definite says that the API itself answered that it did not do what was asked, as an error that may pass. It is no
	// proof that nothing ran, but no doubt either.
	Definite bool
	// NothingRan says that the platform did not run the call, so that even one that must not be repeated may be sent
	// again: no byte was written, or the code proves it.
	NothingRan bool
	// Written says that request bytes were written to a connection.
	Written bool
	// Duplicate says that ClassOK comes from a code in duplicate_codes.
	Duplicate bool

	Status   int           // HTTP status; 0 where none was read
	Duration time.Duration // from the call to the end of the reply
	// Err says why no definite answer was read, or why nothing was sent. It never holds a URL, a sign or a secret.
	Err error
}
