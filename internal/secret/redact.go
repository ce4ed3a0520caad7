package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret shows of itself, whoever prints it.
const redacted = "[redacted]"

// Static is a secret that never changes, for tests and the demo. Keep it in exported fields or behind an interface:
// fmt prints an unexported string field without asking its methods.
type Static string

// Value returns the secret.
func (s Static) Value() string { return string(s) }

// String returns "[redacted]".
func (Static) String() string { return redacted }

// GoString returns "[redacted]".
func (Static) GoString() string { return redacted }

// Format writes "[redacted]" for every verb, those too that fmt refuses for text and then prints raw, as %d.
func (Static) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]".
func (Static) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Static) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns "[redacted]".
func (Static) LogValue() slog.Value { return slog.StringValue(redacted) }

// String returns "[redacted]".
func (*File) String() string { return redacted }

// GoString returns "[redacted]".
func (*File) GoString() string { return redacted }

// Format writes "[redacted]" for every verb.
func (*File) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]".
func (*File) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (*File) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// LogValue returns "[redacted]".
func (*File) LogValue() slog.Value { return slog.StringValue(redacted) }
