package dedup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// state is what a row says of its id. The numbers are in files: they never change.
type state uint8

const (
	stateNone      state = 0 // there is no row
	stateClaimed   state = 1 // somebody was about to call; no result is known
	stateReleased  state = 2 // attempts failed; free to be claimed
	stateDelivered state = 3
	stateUnknown   state = 4 // a call may have run, and nobody knows
)

// storedState reads back what a row says.
func storedState(n int64) (state, error) {
	if n < int64(stateClaimed) || n > int64(stateUnknown) {
		return stateNone, fmt.Errorf("state %d", n)
	}
	return state(n), nil
}

// scope is what a row belongs to, for statistics; a row is found by its key alone.
type scope struct{ method, account string }

// row is what is stored of one id.
type row struct {
	state   state
	scope   scope
	at      int64   // Unix seconds of the last change
	content content // of delivered and unknown
	history retry.History
	reply   []byte
}

// settled says that the id needs no further call.
func (r row) settled() bool { return r.state == stateDelivered || r.state == stateUnknown }

// again says that an id whose outcome is unknown may be claimed once more: the platform recognises the repeated id.
func (r row) again(repeatable bool, c content) bool {
	return r.state == stateUnknown && repeatable && !r.content.conflicts(c)
}

// content is a version byte and the first 16 bytes of the content's hash. Half the hash is enough to tell two contents
// of one id apart, and saves a fifth of every row. The zero value is no content.
type content struct {
	set   bool
	bytes [17]byte
}

func contentOf(c consumer.Content) content {
	out := content{set: true}
	out.bytes[0] = c.Version
	copy(out.bytes[1:], c.Hash[:])
	return out
}

// storedContent reads back what b holds in a row, and what follows it.
func storedContent(b []byte) (c content, rest []byte, err error) {
	if len(b) == 0 {
		return content{}, nil, nil
	}
	if len(b) < len(c.bytes) {
		return content{}, nil, fmt.Errorf("content of %d bytes", len(b))
	}
	c.set = true
	return c, b[copy(c.bytes[:], b):], nil
}

// conflicts says whether both contents are known, of one version, and different.
func (c content) conflicts(other content) bool {
	return c.set && other.set && c.bytes[0] == other.bytes[0] && c.bytes != other.bytes
}

// answer turns a settled row into the answer to a claim with content c.
func (r row) answer(c content) consumer.Claim {
	a := consumer.Claim{Answer: consumer.AnswerDelivered, Conflict: r.content.conflicts(c), Reply: r.reply}
	if r.state == stateUnknown {
		a.Answer, a.Reply, a.History = consumer.AnswerUnknown, nil, r.history
	}
	return a
}

// storedHistory is the JSON form of retry.History in a row. Members are added, never renamed.
type storedHistory struct {
	Attempts      int           `json:"attempts,omitempty"`
	FirstFailedAt time.Time     `json:"first_failed_at,omitzero"`
	LastAttemptAt time.Time     `json:"last_attempt_at,omitzero"`
	Active        time.Duration `json:"active_ns,omitempty"`
	Ambiguous     bool          `json:"ambiguous,omitempty"`
	Spared        int           `json:"spared,omitempty"`
	ParseRetried  bool          `json:"parse_retried,omitempty"`
	Lettered      string        `json:"lettered,omitempty"`
	Origin        string        `json:"origin,omitempty"`
}

// normal is h as it comes back from a store: times in UTC and without the process's monotonic reading.
func normal(h retry.History) retry.History {
	if !h.FirstFailedAt.IsZero() {
		h.FirstFailedAt = h.FirstFailedAt.Round(0).UTC()
	}
	if !h.LastAttemptAt.IsZero() {
		h.LastAttemptAt = h.LastAttemptAt.Round(0).UTC()
	}
	return h
}

func encodeHistory(h retry.History) (string, error) {
	b, err := json.Marshal(storedHistory(normal(h)))
	if err != nil {
		return "", fmt.Errorf("history: %w", err)
	}
	return string(b), nil
}

func decodeHistory(s string) (retry.History, error) {
	var h storedHistory
	if s == "" {
		return retry.History{}, nil
	}
	if err := json.Unmarshal([]byte(s), &h); err != nil {
		return retry.History{}, fmt.Errorf("history: %w", err)
	}
	return retry.History(h), nil
}

// keptReply is the reply as it is stored: a copy, or nothing where it is empty or too long to keep.
func keptReply(b []byte) []byte {
	if len(b) == 0 || len(b) > maxReply {
		return nil
	}
	return bytes.Clone(b)
}
