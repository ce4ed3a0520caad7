package schemas

import (
	"encoding/json"
	"math"
	"strconv"
)

// Number parsing is exact and never computes what it refuses: an exponent of a billion costs the same as one of three.

// longestExponent bounds the exponent while it is read. It is far beyond what the longest event could balance with the
// digits of its mantissa.
const longestExponent = 1 << 40

// parseNumber reads a JSON number that is a signed 64-bit integer, in whatever form it is written: 22.0 and 1E3 are.
func parseNumber(s string) (int64, bool) {
	neg := false
	i := 0
	if i < len(s) && s[i] == '-' {
		neg = true
		i++
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	whole := s[start:i]
	if whole == "" || len(whole) > 1 && whole[0] == '0' {
		return 0, false // no JSON number
	}
	fraction := ""
	if i < len(s) && s[i] == '.' {
		i++
		start = i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		if fraction = s[start:i]; fraction == "" {
			return 0, false
		}
	}
	exponent, rest, ok := parseExponent(s[i:])
	if !ok || rest != "" {
		return 0, false
	}
	return integer(neg, whole, fraction, exponent)
}

// parseExponent reads e+12 and the like. No exponent is 0.
func parseExponent(s string) (exponent int64, rest string, ok bool) {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0, s, true
	}
	i := 1
	neg := false
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		neg = s[i] == '-'
		i++
	}
	start := i
	for ; i < len(s) && isDigit(s[i]); i++ {
		if exponent < longestExponent {
			exponent = exponent*10 + int64(s[i]-'0')
		}
	}
	if i == start {
		return 0, s, false
	}
	if neg {
		exponent = -exponent
	}
	return exponent, s[i:], true
}

// integer is whole.fraction × 10^exponent.
func integer(neg bool, whole, fraction string, exponent int64) (int64, bool) {
	// Zeros at both ends count for nothing but the exponent.
	for len(fraction) > 0 && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	exponent -= int64(len(fraction))
	if fraction == "" {
		for len(whole) > 0 && whole[len(whole)-1] == '0' {
			whole = whole[:len(whole)-1]
			exponent++
		}
	}
	whole = trimZeros(whole)
	if whole == "" {
		fraction = trimZeros(fraction)
	}
	digits := int64(len(whole) + len(fraction))
	if digits == 0 {
		return 0, true
	}
	if exponent < 0 || digits+exponent > 19 {
		return 0, false
	}
	var n uint64 // 19 digits fit
	for _, part := range [2]string{whole, fraction} {
		for i := 0; i < len(part); i++ {
			n = n*10 + uint64(part[i]-'0')
		}
	}
	for ; exponent > 0; exponent-- {
		n *= 10
	}
	switch {
	case neg && n <= 1<<63:
		return -int64(n), true // -(1<<63) is the smallest one itself
	case !neg && n <= math.MaxInt64:
		return int64(n), true
	}
	return 0, false
}

// decimal is how a Number is sent.
func decimal(n int64) json.Number {
	return json.Number(strconv.FormatInt(n, 10))
}

func trimZeros(s string) string {
	for len(s) > 0 && s[0] == '0' {
		s = s[1:]
	}
	return s
}

// isCanonical says whether s is already the decimal text of a small integer, the usual case.
func isCanonical(s string) bool {
	digits := s
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
		if digits == "0" {
			return false
		}
	}
	if len(digits) == 0 || len(digits) > 18 || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	for i := 0; i < len(digits); i++ {
		if !isDigit(digits[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
