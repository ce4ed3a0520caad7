package consumer

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// The platform's request ids are 12 or 13 digits and lower-case letters. Packed as a number with 36 digits they take 8 or 9
// bytes of the ledger.
const (
	packedBase = 36
	packedMost = 24 // characters that fit 128 bits
	packedChar = "0123456789abcdefghijklmnopqrstuvwxyz"
)

// pack appends id as a number that begins with a 1, which keeps zeros at its beginning. It is false where id is another text.
func pack(b []byte, id string) ([]byte, bool) {
	if len(id) > packedMost {
		return b, false
	}
	hi, lo := uint64(0), uint64(1)
	for _, c := range []byte(id) {
		var digit uint64
		switch {
		case '0' <= c && c <= '9':
			digit = uint64(c - '0')
		case 'a' <= c && c <= 'z':
			digit = uint64(c-'a') + 10
		default:
			return b, false
		}
		above, low := bits.Mul64(lo, packedBase)
		var carry uint64
		lo, carry = bits.Add64(low, digit, 0)
		hi = hi*packedBase + above + carry
	}
	var number [16]byte
	binary.BigEndian.PutUint64(number[:8], hi)
	binary.BigEndian.PutUint64(number[8:], lo)
	return append(b, bytes.TrimLeft(number[:], "\x00")...), true
}

// unpack reads back what pack has appended.
func unpack(b []byte) string {
	var hi, lo uint64
	for _, c := range b {
		hi, lo = hi<<8|lo>>56, lo<<8|uint64(c)
	}
	var text [packedMost + 1]byte
	at := len(text)
	for at > 0 && (hi > 0 || lo > 1) {
		var digit uint64
		above := hi % packedBase
		hi /= packedBase
		lo, digit = bits.Div64(above, lo, packedBase)
		at--
		text[at] = packedChar[digit]
	}
	return string(text[at:])
}
