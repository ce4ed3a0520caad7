package redact

import "regexp"

// The patterns are deliberately wide; whether a find is what it seems is decided by the check next to each.
var (
	mobilePattern   = regexp.MustCompile(`1[3-9]\d[ -]?\d{4}[ -]?\d{4}`)
	landlinePattern = regexp.MustCompile(`0\d{2,3}-\d{7,8}`)
	identityPattern = regexp.MustCompile(`[1-9]\d{16}[\dXx]`)
)

// Numbers masks the mobile numbers (13*******23), land lines (0580-****542) and identity numbers of China in s. A run of
// digits inside a longer one is none of them: order ids stay readable.
func Numbers(s string) string {
	if !hasDigits(s, 10) {
		return s
	}
	s = replace(s, identityPattern, isIdentity, func(id string) string { return stars(id, 1, 1) })
	s = replace(s, mobilePattern, nil, maskDigits)
	return replace(s, landlinePattern, nil, func(line string) string {
		area := len("010-")
		if line[3] != '-' {
			area = len("0571-")
		}
		return line[:area] + stars(line[area:], 0, 3)
	})
}

// hasDigits says whether s holds at least n digits: most texts do not, and need no search.
func hasDigits(s string, n int) bool {
	for i := 0; i < len(s); i++ {
		if isDigit(s[i]) {
			if n--; n == 0 {
				return true
			}
		}
	}
	return false
}

// replace masks each match of p in s that ok accepts (nil: all) and that does not stand inside a longer run of digits.
// A country code in front of a number does not count as part of the run.
func replace(s string, p *regexp.Regexp, ok func(string) bool, mask func(string) string) string {
	var out []byte
	done := 0
	for at := 0; at < len(s); {
		m := p.FindStringIndex(s[at:])
		if m == nil {
			break
		}
		from, to := at+m[0], at+m[1]
		if !standsAlone(s, from, to) || ok != nil && !ok(s[from:to]) {
			// Nothing else that begins in this run stands alone: go past it, or a long run costs its square.
			for at = from; at < len(s) && isDigit(s[at]); at++ {
			}
			continue
		}
		out = append(append(out, s[done:from]...), mask(s[from:to])...)
		at, done = to, to
	}
	if out == nil {
		return s
	}
	return string(append(out, s[done:]...))
}

// standsAlone says whether s[from:to] is a run of digits of its own, a country code 86 or 0086 aside.
func standsAlone(s string, from, to int) bool {
	if to < len(s) && isDigit(s[to]) {
		return false
	}
	start := from
	for start > 0 && isDigit(s[start-1]) {
		start--
	}
	prefix := s[start:from]
	return prefix == "" || prefix == "86" || prefix == "0086"
}

// isIdentity checks the date of birth and the check digit of an 18-digit identity number (GB 11643).
func isIdentity(id string) bool {
	century, month, day := id[6:8], id[10:12], id[12:14]
	if century != "19" && century != "20" || month < "01" || month > "12" || day < "01" || day > "31" {
		return false
	}
	weights := [17]int{7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2}
	sum := 0
	for i, w := range weights {
		sum += int(id[i]-'0') * w
	}
	want := "10X98765432"[sum%11]
	return id[17] == want || id[17] == 'x' && want == 'X'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
