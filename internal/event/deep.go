package event

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// jsontextDepth is the bound of package jsontext: that many objects and lists may enclose each other in one text.
const jsontextDepth = 10000

// shallow returns text, or where it is deeper than jsontext reads, a copy with a 0 in the place of each object and list
// that lies too deep, and blanks up to its end: what stands elsewhere keeps its offset. In the place of the first fault of
// such a value is a byte that no JSON text has. Nobody misses the values: they lie far below maxDepth.
func shallow(text []byte) []byte {
	if len(text) <= jsontextDepth || bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) <= jsontextDepth {
		return text
	}
	text = bytes.Clone(text)
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"': // one that is wrong ends the reading later: whatever is done to the text behind it
			i += quotedLen(text[i:]) - 1
		case '}', ']':
			depth--
		case '{', '[':
			if depth < jsontextDepth {
				depth++
				continue
			}
			n, ok := skipValue(text[i:])
			copy(text[i:], bytes.Repeat([]byte(" "), n))
			text[i] = '0'
			if i += n; !ok {
				clear(text[i:min(i+1, len(text))])
				return text
			}
			i--
		}
	}
	return text
}

// expected is what may come next in a text.
type expected uint8

const (
	aValue expected = iota
	aValueOrEnd
	aName
	aNameOrEnd
	aColon
	more // a comma, or the end of the object or list
)

// skipValue returns the length of the JSON value that text begins with; where that is none, ok is false, and n is the
// place of the fault. It judges as jsontext does, but to any depth: of each object and list that is open it remembers a
// bit, so that a text of a megabyte takes little.
func skipValue(text []byte) (n int, ok bool) {
	var open levels
	next := aValue
	for n < len(text) {
		c := text[n]
		if c == ' ' || c == '\t' || c == '\n' || c == '\r' {
			n++
			continue
		}
		switch {
		case next == aColon:
			if c != ':' {
				return n, false
			}
			n, next = n+1, aValue
			continue
		case next == more && c == ',':
			next = aValue
			if open.object() {
				next = aName
			}
			n++
			continue
		case c == '}' && open.depth > 0 && open.object() && (next == more || next == aNameOrEnd),
			c == ']' && open.depth > 0 && !open.object() && (next == more || next == aValueOrEnd):
			open.pop()
			n++
		case next == more:
			return n, false
		case next == aName || next == aNameOrEnd:
			size, ok := checkQuoted(text[n:])
			if n += size; !ok {
				return n, false
			}
			next = aColon
			continue
		case c == '{' || c == '[':
			open.push(c == '{')
			next = aValueOrEnd
			if c == '{' {
				next = aNameOrEnd
			}
			n++
			continue
		default:
			size, ok := checkScalar(text[n:])
			if n += size; !ok {
				return n, false
			}
		}
		if open.depth == 0 {
			return n, true
		}
		next = more
	}
	return n, false
}

// levels says of each object and list that is open which of both it is.
type levels struct {
	bits  []byte
	depth int
}

func (l *levels) push(object bool) {
	at, bit := l.depth/8, byte(1)<<(l.depth%8)
	if at == len(l.bits) {
		l.bits = append(l.bits, 0)
	}
	if l.bits[at] &^= bit; object {
		l.bits[at] |= bit
	}
	l.depth++
}

func (l *levels) pop() { l.depth-- }

// object says whether the innermost one is an object.
func (l *levels) object() bool {
	last := l.depth - 1
	return l.bits[last/8]&(1<<(last%8)) != 0
}

// checkScalar checks a value that is no object and no list.
func checkScalar(text []byte) (n int, ok bool) {
	switch c := text[0]; {
	case c == '"':
		return checkQuoted(text)
	case c == '-' || '0' <= c && c <= '9':
		return checkNumber(text)
	}
	for _, literal := range []string{"null", "true", "false"} {
		if bytes.HasPrefix(text, []byte(literal)) {
			return len(literal), true
		}
	}
	return 0, false
}

// checkNumber checks a number. What follows it is the caller's: no delimiter there is a fault of its own.
func checkNumber(text []byte) (n int, ok bool) {
	digits := func() bool {
		from := n
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		return n > from
	}
	is := func(chars string) bool {
		if n < len(text) && bytes.IndexByte([]byte(chars), text[n]) >= 0 {
			n++
			return true
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return n, false
	}
	if is(".") && !digits() {
		return n, false
	}
	if is("eE") {
		is("+-")
		return n, digits()
	}
	return n, true
}

// checkQuoted checks a string. Of one that is wrong inside, the place is its beginning.
func checkQuoted(text []byte) (n int, ok bool) {
	if text[0] != '"' {
		return 0, false
	}
	n = quotedLen(text)
	if n < 2 || text[n-1] != '"' {
		return n, false
	}
	if _, err := jsontext.AppendUnquote(nil, text[:n]); err != nil {
		return 0, false
	}
	return n, true
}

// quotedLen is the length of the string that text begins with, up to its quotation mark or the end of the text.
func quotedLen(text []byte) int {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}
