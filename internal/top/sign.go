package top

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
)

// SignMethod is the algorithm of the sign, as the parameter sign_method names it.
type SignMethod string

// The three algorithms of the platform.
const (
	SignMD5        SignMethod = "md5"
	SignHMAC       SignMethod = "hmac" // HMAC-MD5
	SignHMACSHA256 SignMethod = "hmac-sha256"
)

// ParseSignMethod reads the name of an algorithm; empty is the default, hmac-sha256.
func ParseSignMethod(name string) (SignMethod, error) {
	switch m := SignMethod(name); m {
	case "":
		return SignHMACSHA256, nil
	case SignMD5, SignHMAC, SignHMACSHA256:
		return m, nil
	}
	return "", fmt.Errorf("unknown sign method %q: use md5, hmac or hmac-sha256", name)
}

// Sign is the sign of a request: upper-case hex over names and values in byte order of the names, with body appended
// where it is not a form (else nil). It signs the parameters that it is given, blank ones too, and leaves only "sign"
// out. They need not be sorted. An unknown method gives "".
func Sign(method SignMethod, secret string, params []Param, body []byte) string {
	if !slices.IsSortedFunc(params, compareParams) {
		params = slices.Clone(params)
		sortParams(params)
	}
	var s signer
	return s.sign(key{method, secret}, params, body)
}

// key is what a sign is made with.
type key struct {
	method SignMethod
	secret string
}

// signer makes signs, and keeps what the next one can use again: setting up an HMAC costs as much as a short text.
type signer struct {
	base []byte
	key  key
	mac  hash.Hash // of key; nil for md5
}

// sign signs parameters that are sorted by name.
func (s *signer) sign(k key, params []Param, body []byte) string {
	if k != s.key || k == (key{}) {
		s.key, s.mac = k, nil
		switch k.method {
		case SignMD5:
		case SignHMAC:
			s.mac = hmac.New(md5.New, []byte(k.secret))
		case SignHMACSHA256:
			s.mac = hmac.New(sha256.New, []byte(k.secret))
		default:
			s.key = key{}
			return ""
		}
	}
	base := s.base[:0]
	if k.method == SignMD5 {
		base = append(base, k.secret...)
	}
	for _, p := range params {
		if p.Name != ParamSign {
			base = append(base, p.Name...)
			base = append(base, p.Value...)
		}
	}
	base = append(base, body...)
	if s.mac == nil {
		base = append(base, k.secret...)
	}
	s.base = base
	if s.mac == nil {
		d := md5.Sum(base)
		return upperHex(d[:])
	}
	s.mac.Reset()
	s.mac.Write(base)
	var digest [sha256.Size]byte
	return upperHex(s.mac.Sum(digest[:0]))
}

func upperHex(sum []byte) string {
	const hex = "0123456789ABCDEF"
	var text [2 * sha256.Size]byte
	for i, c := range sum {
		text[2*i], text[2*i+1] = hex[c>>4], hex[c&15]
	}
	return string(text[:2*len(sum)])
}
