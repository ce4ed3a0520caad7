package schemas

import "unicode/utf8"

// isXMLText says whether XML 1.0 can carry s (section 2.2, Char).
func isXMLText(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 || r == 0xFFFE || r == 0xFFFF {
			return false
		}
		i += size
	}
	return true
}

// isElementName says whether s can name an XML element: ASCII letters, digits, _, - and dots, beginning with a letter or
// _. XML itself allows more; the platform's names need no more.
func isElementName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		inside := i > 0 && (isDigit(c) || c == '-' || c == '.')
		if !letter && !inside {
			return false
		}
	}
	return s != ""
}
