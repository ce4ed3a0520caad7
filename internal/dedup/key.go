package dedup

import (
	"crypto/sha256"
	"strconv"

	"github.com/toprelay/worker/internal/consumer"
)

// key is what an id is stored under: the first 16 bytes of SHA-256 over "<n>:<part>" of method, account and id, n being
// the part's length in bytes. It has one length for every id, says nothing about its parts, and at a billion ids the
// chance of two being the same is below 1 in 10^20. Fixed for ever: another form would forget every id.
type key [16]byte

func keyOf(k consumer.LedgerKey) key {
	var space [256]byte
	b := space[:0]
	for _, part := range [...]string{k.Method, k.Account, k.ID} {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(b, ':')
		b = append(b, part...)
	}
	sum := sha256.Sum256(b)
	return key(sum[:16])
}
