package ops

import (
	"bufio"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// Tokens are the named tokens that may read protected pages. They are kept as hashes.
type Tokens struct {
	hashes [][sha256.Size]byte
}

// ParseTokens reads a tokens file: one token a line, `NAME HASH`, where HASH is the hex SHA-256 of the token
// (`printf %s TOKEN | sha256sum`). Empty lines and lines that begin with # are left out.
func ParseTokens(text string) (*Tokens, error) {
	t := &Tokens{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 2 {
			return nil, fmt.Errorf("ops.tokens_file: line %d: want NAME and HASH", n)
		}
		sum, err := hex.DecodeString(fields[1])
		if err != nil || len(sum) != sha256.Size {
			return nil, fmt.Errorf("ops.tokens_file: line %d: the hash of %s is no hex SHA-256: make it with printf %%s TOKEN | sha256sum", n, fields[0])
		}
		t.hashes = append(t.hashes, [sha256.Size]byte(sum))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("ops.tokens_file: %w", err)
	}
	if len(t.hashes) == 0 {
		return nil, fmt.Errorf("ops.tokens_file: it names no token")
	}
	return t, nil
}

// allows compares in constant time, with every token, so that the time says nothing.
func (t *Tokens) allows(token string) bool {
	sum := sha256.Sum256([]byte(token))
	found := 0
	for _, h := range t.hashes {
		found |= subtle.ConstantTimeCompare(sum[:], h[:])
	}
	return found == 1
}

// protect asks for a bearer token.
func (t *Tokens) protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || !t.allows(token) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="TOP Relay"`)
			http.Error(w, "this page needs a token: Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}
