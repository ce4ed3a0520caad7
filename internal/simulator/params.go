package simulator

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxParams bounds the parameters of one request.
const maxParams = 2000

// param is one parameter as it was received, after URL decoding. Blank values are kept: the sign covers them.
type param struct{ name, value string }

// parsePairs appends the pairs of s, a query string or form body, to dst. A pair without "=" has an empty value.
func parsePairs(dst []param, s string) ([]param, *PlatformError) {
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		if len(dst) == maxParams {
			return dst, refuse(43, "", "too many parameters")
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok := unescape(rawName)
		if !ok {
			return dst, refuse(43, "", "a parameter name is not URL-encoded")
		}
		value, ok := unescape(rawValue)
		if !ok {
			return dst, refuse(43, "", "the value of a parameter is not URL-encoded")
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return dst, refuse(47, "", "a parameter is not UTF-8")
		}
		dst = append(dst, param{name, value})
	}
	return dst, nil
}

// unescape decodes %XX and "+".
func unescape(s string) (string, bool) {
	i := strings.IndexAny(s, "%+")
	if i < 0 {
		return s, true
	}
	b := make([]byte, i, len(s))
	copy(b, s)
	for ; i < len(s); i++ {
		switch s[i] {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) {
				return "", false
			}
			high, ok1 := unhex(s[i+1])
			low, ok2 := unhex(s[i+2])
			if !ok1 || !ok2 {
				return "", false
			}
			b = append(b, high<<4|low)
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b), true
}

func unhex(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// sortParams puts params in the order of the sign, by name in byte order.
func sortParams(params []param) {
	slices.SortStableFunc(params, func(a, b param) int { return strings.Compare(a.name, b.name) })
}

// repeatedName returns a name that sorted params hold twice.
func repeatedName(sorted []param) (string, bool) {
	for i := 1; i < len(sorted); i++ {
		if sorted[i].name == sorted[i-1].name {
			return sorted[i].name, true
		}
	}
	return "", false
}

// systemParams are the parameters of the gateway itself (protocol page, section 2). All others are the method's.
var systemParams = map[string]bool{
	"method": true, "app_key": true, "session": true, "timestamp": true, "v": true, "sign_method": true, "sign": true,
	"format": true, "simplify": true, "partner_id": true, "target_app_key": true, "customerId": true,
	"force_sensitive_param_fuzzy": true,
}

// system is the gateway's own part of the parameters.
type system struct {
	method, appKey, session, timestamp, version, signMethod, sign, format, targetAppKey string
	hasSession, simplify                                                                bool
}

func readSystem(params []param) system {
	var s system
	for _, p := range params {
		switch p.name {
		case "method":
			s.method = p.value
		case "app_key":
			s.appKey = p.value
		case "session":
			s.session, s.hasSession = p.value, true
		case "timestamp":
			s.timestamp = p.value
		case "v":
			s.version = p.value
		case "sign_method":
			s.signMethod = p.value
		case "sign":
			s.sign = p.value
		case "format":
			s.format = p.value
		case "target_app_key":
			s.targetAppKey = p.value
		case "simplify":
			s.simplify = p.value == "true"
		}
	}
	return s
}
