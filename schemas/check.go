package schemas

import (
	"crypto/sha256"
	"maps"
)

// CanonicalVersion is the version of the canonical data that Checked.Content is the hash of. It changes whenever two
// builds could make different bytes of the same data; contents of different versions are never compared.
const CanonicalVersion = 1

// UnknownFields says what becomes of fields that the API does not have.
type UnknownFields string

// What becomes of unknown fields. The zero value rejects.
const (
	UnknownReject UnknownFields = "reject" // the event is invalid
	UnknownDrop   UnknownFields = "drop"   // they are not sent, and counted
	UnknownSend   UnknownFields = "send"   // they are sent, but for those at the top that have the name of a system parameter
)

// Checked is what is sent, and what identifies it.
type Checked struct {
	// Data is what is sent: what counts as absent is gone, Dates are GMT+8 text, Numbers are decimal. Values of the
	// type Json are as they were. The map itself is the caller's own; what is below it may be shared with the data that
	// was checked, and is not to be changed.
	Data map[string]any
	// Key is the ordering key as text, several parts joined with their lengths. It is set for invalid data too, where
	// it can be read, so that the event keeps its place among those of its key.
	Key string
	// ID is the idempotent id that data itself holds; "" = source and id of the event make it.
	ID string
	// Content is the SHA-256 of the canonical data: what was published, before dates and numbers are converted. What
	// counts as absent does not count. Compare only contents of the same CanonicalVersion.
	Content [32]byte
	// Dropped is how many unknown fields are not sent. A field counts once, whatever it holds.
	Dropped int
}

// Violation says why data is invalid. Neither text holds a value of the data.
type Violation struct {
	Pointer string // JSON Pointer into data; "" where no single field is at fault
	Message string
}

func (v *Violation) Error() string {
	if v.Pointer == "" {
		return v.Message
	}
	return v.Pointer + " " + v.Message
}

// Check validates data and says what is sent of it. Numbers in data are json.Number. Data is not changed. With a
// violation only Checked.Key is set, and that where it can be read.
func (t *Type) Check(data map[string]any, unknown UnknownFields) (Checked, *Violation) {
	w := walks.Get().(*walk)
	defer w.release()
	w.t, w.unknown = t, unknown

	s := sent{in: data, own: maps.Clone(data)}
	if !w.object(t.Root, &s, true) {
		return Checked{Key: t.readableKey(data)}, w.violation
	}
	out := s.own
	if out == nil { // data is a nil map, which has no copy
		out = map[string]any{}
	}
	if err := t.rules.Validate(out); err != nil {
		return Checked{Key: t.readableKey(data)}, t.explain(err)
	}
	c := Checked{Data: out, Dropped: w.dropped}
	var v *Violation
	if c.Key, v = joined(t.Key, out, "the ordering key"); v != nil {
		return Checked{}, v
	}
	if c.ID, v = t.idOf(out); v != nil {
		return Checked{Key: c.Key}, v
	}
	c.Content = sha256.Sum256(w.canonical)
	return c, nil
}
