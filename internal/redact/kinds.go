package redact

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The kinds of personal data, as the schemas mark them (x-pii).
const (
	KindName    = "name"
	KindMobile  = "mobile"
	KindAddress = "address"
	KindText    = "text"
)

// Kinds lists the kinds of personal data.
func Kinds() []string { return []string{KindName, KindMobile, KindAddress, KindText} }

// Value masks a value of the given kind for display, as the platform does on its own pages. Of an unknown kind nothing
// is shown. A blank value has nothing to hide and stays.
func Value(kind, s string) string {
	if strings.TrimSpace(s) == "" {
		return s
	}
	switch kind {
	case KindName:
		return name(s)
	case KindMobile:
		return mobile(s)
	case KindAddress:
		return address(s)
	default:
		return Hidden
	}
}

// name keeps the first character, and the last one of three and more: 陈*平.
func name(s string) string {
	switch utf8.RuneCountInString(s) {
	case 1:
		return "*"
	case 2:
		return stars(s, 1, 0)
	default:
		return stars(s, 1, 1)
	}
}

// mobile keeps the first two and the last two digits: 13*******23. What is too short for a number is hidden whole.
func mobile(s string) string {
	if utf8.RuneCountInString(s) < 7 {
		return Hidden
	}
	return stars(s, 2, 2)
}

// maskDigits is mobile for a number with separators, which stay: 13*-****-**23.
func maskDigits(s string) string {
	digits, seen := 0, 0
	for i := 0; i < len(s); i++ {
		if isDigit(s[i]) {
			digits++
		}
	}
	out := []byte(s)
	for i := range out {
		if !isDigit(out[i]) {
			continue
		}
		if seen++; seen > 2 && seen <= digits-2 {
			out[i] = '*'
		}
	}
	return string(out)
}

// address hides what leads to a door: each run of digits and Latin letters, 白虎路12-3 becomes 白虎路*-*. Of an address
// without any the first half is kept.
func address(s string) string {
	var out strings.Builder
	inRun, found := false, false
	for _, r := range s {
		if unicode.IsDigit(r) || r < utf8.RuneSelf && unicode.IsLetter(r) {
			if !inRun {
				out.WriteByte('*')
			}
			inRun, found = true, true
			continue
		}
		inRun = false
		out.WriteRune(r)
	}
	if found {
		return out.String()
	}
	runes := []rune(s)
	return string(runes[:len(runes)/2]) + "*"
}

// stars replaces all characters of s but the first head and the last tail ones.
func stars(s string, head, tail int) string {
	runes := []rune(s)
	for i := head; i < len(runes)-tail; i++ {
		runes[i] = '*'
	}
	return string(runes)
}
