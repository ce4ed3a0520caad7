package simulator

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"
	"sync"
)

// The sign is computed here a second time, apart from package top: client and simulator must not share one mistake.

var baseStrings = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// signature computes the sign over sorted params as they were received, blanks included, followed by the raw body
// (protocol page, section 3). It is false where signMethod is none of the three that the platform knows.
func signature(signMethod, secret string, sorted []param, body string) (string, bool) {
	buffer := baseStrings.Get().(*[]byte)
	defer baseStrings.Put(buffer)
	base := (*buffer)[:0]
	if signMethod == "md5" {
		base = append(base, secret...)
	}
	for _, p := range sorted {
		if p.name != "sign" {
			base = append(append(base, p.name...), p.value...)
		}
	}
	base = append(base, body...)

	var sum []byte
	switch signMethod {
	case "md5":
		base = append(base, secret...)
		digest := md5.Sum(base)
		sum = digest[:]
	case "hmac":
		mac := hmac.New(md5.New, []byte(secret))
		mac.Write(base)
		sum = mac.Sum(nil)
	case "hmac-sha256":
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(base)
		sum = mac.Sum(nil)
	}
	if cap(base) <= 64<<10 {
		*buffer = base
	}
	return strings.ToUpper(hex.EncodeToString(sum)), sum != nil
}

// signed tells whether the call carries the right sign. Lower case is not accepted.
func signed(c *call, secret string) bool {
	want, ok := signature(c.system.signMethod, secret, c.params, c.body)
	return ok && subtle.ConstantTimeCompare([]byte(want), []byte(c.system.sign)) == 1
}
