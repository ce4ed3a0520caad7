package event

// Reason says why an event became a dead letter. The set is closed and is a metric label (contract section 6).
type Reason string

const (
	ReasonMalformedEvent      Reason = "malformed_event"
	ReasonUnsupportedFormat   Reason = "unsupported_format"
	ReasonUnknownType         Reason = "unknown_type"
	ReasonInvalidData         Reason = "invalid_data"
	ReasonOversized           Reason = "oversized"
	ReasonExpired             Reason = "expired"
	ReasonUnknownAccount      Reason = "unknown_account"
	ReasonIdempotencyConflict Reason = "idempotency_conflict"
	ReasonRejected            Reason = "rejected"
	ReasonRetriesExhausted    Reason = "retries_exhausted"
	ReasonOutcomeUnknown      Reason = "outcome_unknown"
	ReasonHeld                Reason = "held"
	ReasonShed                Reason = "shed"
)

// Reasons lists all reasons in the order of the contract.
func Reasons() []Reason {
	return []Reason{
		ReasonMalformedEvent, ReasonUnsupportedFormat, ReasonUnknownType, ReasonInvalidData, ReasonOversized,
		ReasonExpired, ReasonUnknownAccount, ReasonIdempotencyConflict, ReasonRejected, ReasonRetriesExhausted,
		ReasonOutcomeUnknown, ReasonHeld, ReasonShed,
	}
}
