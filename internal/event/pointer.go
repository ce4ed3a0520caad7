package event

import (
	"errors"
	"strconv"
	"strings"
)

// maxPointer bounds a pointer in bytes. A longer one is cut between two of its tokens, so that it still leads to an
// object or list around the place.
const maxPointer = 512

// step is one token of a pointer.
type step struct {
	name   string
	index  int
	isName bool
}

var escapeToken = strings.NewReplacer("~", "~0", "/", "~1")

// pointerOf writes a path as a JSON Pointer (RFC 6901) of at most maxPointer bytes.
func pointerOf(path []step) string {
	var b strings.Builder
	for _, s := range path {
		token := strconv.Itoa(s.index)
		if s.isName {
			token = s.name
			if len(token) < maxPointer {
				token = escapeToken.Replace(token)
			}
		}
		if b.Len()+1+len(token) > maxPointer {
			break
		}
		b.WriteByte('/')
		b.WriteString(token)
	}
	return b.String()
}

// CheckPointer says what is wrong with the text of a JSON Pointer (RFC 6901).
func CheckPointer(pointer string) error {
	if pointer != "" && pointer[0] != '/' {
		return errors.New("a JSON Pointer begins with /")
	}
	for i := range len(pointer) {
		if pointer[i] == '~' && (i+1 == len(pointer) || pointer[i+1] != '0' && pointer[i+1] != '1') {
			return errors.New("in a JSON Pointer ~ is written ~0 and / in a name ~1")
		}
	}
	return nil
}

// lookup follows a JSON Pointer. A pointer that is none leads nowhere.
func lookup(value any, pointer string) (any, bool) {
	for pointer != "" {
		if pointer[0] != '/' {
			return nil, false
		}
		token := pointer[1:]
		if i := strings.IndexByte(token, '/'); i >= 0 {
			token = token[:i]
		}
		pointer = pointer[1+len(token):]
		switch v := value.(type) {
		case map[string]any:
			if strings.IndexByte(token, '~') >= 0 {
				token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
			}
			member, ok := v[token]
			if !ok {
				return nil, false
			}
			value = member
		case []any:
			i, err := strconv.ParseUint(token, 10, 31)
			if err != nil || i >= uint64(len(v)) || token[0] == '0' && len(token) > 1 || token[0] == '+' {
				return nil, false
			}
			value = v[i]
		default:
			return nil, false
		}
	}
	return value, true
}
