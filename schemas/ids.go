package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// JoinParts joins the parts of a key or id with their lengths, "<n>:<part>" for each, n in bytes: parts that differ never
// make the same text. One part alone is used as it is, without this.
func JoinParts(parts ...string) string {
	size := 0
	for _, part := range parts {
		size += len(part) + 4
	}
	out := make([]byte, 0, size)
	for _, part := range parts {
		out = strconv.AppendInt(out, int64(len(part)), 10)
		out = append(out, ':')
		out = append(out, part...)
	}
	return string(out)
}

// DerivedID is the idempotent id of an event whose data has none: the first 32 lower-case hex digits of SHA-256 over its
// joined source and id (contract section 3). It is fixed for ever: the platform remembers the ids that it was sent.
func DerivedID(source, id string) string {
	sum := sha256.Sum256([]byte(JoinParts(source, id)))
	return hex.EncodeToString(sum[:16])
}
