package dedup

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// What stands in a row of Redis (see lua/row.lua) as text, and back.

// redisNameLength is how long a row's name is after the prefix.
const redisNameLength = 22

// redisKey is the name of a row: the id's key in base64, so that a name says nothing and is short.
func redisKey(prefix string, k key) string {
	return prefix + base64.RawURLEncoding.EncodeToString(k[:])
}

const noContent = "-"

// text is the version in two hex digits and the hash in base64; "-" is no content.
func (c content) text() string {
	if !c.set {
		return noContent
	}
	return fmt.Sprintf("%02x", c.bytes[0]) + base64.RawStdEncoding.EncodeToString(c.bytes[1:])
}

func parseContent(s string) (content, error) {
	if s == noContent {
		return content{}, nil
	}
	c := content{set: true}
	if len(s) < 2 {
		return content{}, fmt.Errorf("content %q", s)
	}
	version, err := strconv.ParseUint(s[:2], 16, 8)
	if err != nil {
		return content{}, fmt.Errorf("content %q: %w", s, err)
	}
	hash, err := base64.RawStdEncoding.Strict().DecodeString(s[2:])
	if err != nil || len(hash) != len(c.bytes)-1 {
		return content{}, fmt.Errorf("content %q", s)
	}
	c.bytes[0] = byte(version)
	copy(c.bytes[1:], hash)
	return c, nil
}

// text is method and account on one line, for statistics only: what would end the line is replaced.
func (s scope) text() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return '?'
		}
		return r
	}, s.method+" "+s.account)
}

// cutOff is what the row says of claims of processes that are gone: how many ran out, and when the first did.
type cutOff struct {
	times int
	at    time.Time
}

func parseCutOff(times, at string) (cutOff, error) {
	n, err := strconv.Atoi(times)
	if err != nil || n < 0 {
		return cutOff{}, fmt.Errorf("cut-off claims %q", times)
	}
	t, err := parseMicros(at)
	return cutOff{times: n, at: t}, err
}

// counted is the history with the attempts that were cut off: each counts, and may have run (see doubt.go).
func (c cutOff) counted(h retry.History) retry.History {
	if c.times == 0 {
		return h
	}
	h.Attempts += c.times
	h.Ambiguous = true
	if h.FirstFailedAt.IsZero() {
		h.FirstFailedAt = c.at
	}
	return h
}

// parseMicros reads a time that a script wrote.
func parseMicros(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time %q: %w", s, err)
	}
	return time.UnixMicro(n).UTC(), nil
}

// storedRow is a row as it is read whole, for statistics and tests.
type storedRow struct {
	row
	scopeText string
	held      bool
	deadline  time.Time
	cut       cutOff
}

var rowPattern = regexp.MustCompile(`(?s)\A1 ([0-4]) ([a-z]) ([0-9a-f]+) (\d+) (\d+) (\d+) (\d+) (\S+)\n([^\n]*)\n([^\n]*)\n(.*)\z`)

var errNoRow = errors.New("not a row of the ledger")

func parseRow(v string) (storedRow, error) {
	m := rowPattern.FindStringSubmatch(v)
	if m == nil {
		return storedRow{}, errNoRow
	}
	r := storedRow{scopeText: m[9], held: m[2] == holdsRepeatable || m[2] == holdsOnce}
	r.state = state(m[1][0] - '0')
	var errs [4]error
	r.deadline, errs[0] = parseMicros(m[5])
	r.cut, errs[1] = parseCutOff(m[6], m[7])
	r.content, errs[2] = parseContent(m[8])
	r.history, errs[3] = decodeHistory(m[10])
	if m[11] != "" {
		r.reply = []byte(m[11])
	}
	return r, errors.Join(errs[:]...)
}

// parseHead reads the beginning of a row: in which state it counts, and whose it is.
func parseHead(v string) (s state, method, account string, ok bool) {
	head, rest, _ := strings.Cut(v, "\n")
	scope, _, _ := strings.Cut(rest, "\n")
	fields := strings.Fields(head)
	if len(fields) != 9 || fields[0] != "1" || len(fields[1]) != 1 {
		return 0, "", "", false
	}
	s = state(fields[1][0] - '0')
	if s > stateUnknown {
		return 0, "", "", false
	}
	if s == stateNone || fields[2] == holdsRepeatable || fields[2] == holdsOnce {
		s = stateClaimed
	}
	method, account, _ = strings.Cut(scope, " ")
	return s, method, account, true
}

// How a claim is held, and how it ended.
const (
	holdsRepeatable = "r"
	holdsOnce       = "o"
	endDelivered    = "d"
	endUnknown      = "u"
)

// parseClaim turns the answer of the script claim into that of the ledger. at is when the server gave it.
func parseClaim(reply any, c content) (claim consumer.Claim, word string, at time.Time, err error) {
	fields, ok := reply.([]any)
	if !ok || len(fields) < 2 {
		return claim, "", at, fmt.Errorf("answer %v", reply)
	}
	text := make([]string, len(fields))
	for i, f := range fields {
		if text[i], ok = f.(string); !ok {
			return claim, "", at, fmt.Errorf("answer %v", reply)
		}
	}
	word = text[0]
	if at, err = parseMicros(text[1]); err != nil {
		return claim, word, at, err
	}
	parts, known := claimParts[word]
	if !known || len(text) != parts {
		return claim, word, at, fmt.Errorf("answer %q with %d parts", word, len(text))
	}
	switch word {
	case "busy":
		claim.Answer = consumer.AnswerBusy
		claim.BusyUntil, err = parseMicros(text[2])
	case "delivered", "unknown":
		r := row{state: stateDelivered}
		if r.content, err = parseContent(text[2]); err != nil {
			break
		}
		if word == "unknown" {
			r.state = stateUnknown
			r.history, err = decodeHistory(text[3])
		} else if text[3] != "" {
			r.reply = []byte(text[3])
		}
		claim = r.answer(c)
	case "mine", "abandoned":
		claim.Answer = consumer.AnswerMine
		if word == "abandoned" {
			claim.Answer = consumer.AnswerAbandoned
		}
		if claim.History, err = decodeHistory(text[2]); err != nil {
			break
		}
		var cut cutOff
		if cut, err = parseCutOff(text[3], text[4]); err == nil {
			claim.History = cut.counted(claim.History)
		}
	}
	return claim, word, at, err
}

// answerHead is the word of an answer to a claim, and when the server gave it.
func answerHead(reply any) (word string, at time.Time, ok bool) {
	fields, _ := reply.([]any)
	if len(fields) < 2 {
		return "", time.Time{}, false
	}
	word, _ = fields[0].(string)
	text, _ := fields[1].(string)
	at, err := parseMicros(text)
	return word, at, word != "" && err == nil
}

// claimParts is how many parts each answer has.
var claimParts = map[string]int{"late": 2, "busy": 3, "delivered": 4, "unknown": 4, "mine": 5, "abandoned": 5}
