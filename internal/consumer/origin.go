package consumer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"github.com/toprelay/worker/internal/event"
)

// OriginID identifies a record by where it came from: the first 32 hex digits of a SHA-256 over group, topic, partition,
// offset and timestamp (contract section 8, toprelay-id). A record that is read again has the same one; a topic that was
// made anew has others, by its timestamps.
func OriginID(group string, r *event.Record) string {
	sum := origin(group, r)
	return hex.EncodeToString(sum[:16])
}

func origin(group string, r *event.Record) (sum [sha256.Size]byte) {
	h := sha256.New()
	var n [8]byte
	text := func(s string) {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		h.Write(n[:])
	}
	text(group)
	text(r.Topic)
	number(int64(r.Partition))
	number(r.Offset)
	number(r.Time.UnixMilli())
	return [sha256.Size]byte(h.Sum(sum[:0]))
}
