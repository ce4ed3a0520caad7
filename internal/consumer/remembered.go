package consumer

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// remembered is what the ledger keeps of how a record was settled. A record is read again after a restart where the watermark
// had not passed it; then it is settled in the same way once more, with the same result and without a call. Any other record
// of its id is an event of its own: a duplicate of a success, and free after a dead letter.
//
// Its text is a JSON array, so that a row takes few bytes, without the empty members at its end. What earlier versions have
// written is no array: the reply alone, or the record's whole origin.
type remembered struct {
	record    string // the first half of its origin
	attempts  int
	requestID string
	reply     []byte // of a success, where it is short enough
	code      string
	subCode   string
	message   string // of a dead letter
	letters   string // of a success: the dead letters that earlier records of its id have; see letteredHistory
}

const (
	recordLen = 16 // hex digits
	// maxRemembered bounds what is kept of one success, maxLetters what is kept of older dead letters, in bytes.
	maxRemembered = 4 << 10
	maxLetters    = 2 << 10
)

func (it *item) recordID() string { return OriginID("", &it.record)[:recordLen] }

// remember is what is to be known of the record when it is read again.
func (it *item) remember(out Outcome) remembered {
	return remembered{
		record: it.recordID(), attempts: out.attempts(), requestID: out.Reply.RequestID,
		code: out.Reply.Code, subCode: out.Reply.SubCode, message: out.Message,
	}
}

// success is what the ledger keeps with a delivered id.
func (it *item) success(out Outcome) []byte {
	m := it.remember(out)
	m.reply, m.letters = kept(out.Fields), out.History.Lettered
	text := m.text()
	if len(text) > maxRemembered {
		m.letters = ""
		text = m.text()
	}
	if len(text) > maxRemembered {
		text = remembered{record: m.record, attempts: m.attempts}.text()
	}
	return text
}

// letteredHistory is what the ledger keeps of an id after a dead letter. The id may be used again, but the record itself,
// when it is read again, must not be sent: later events of its key may have been delivered since. Of several letters of the
// id each is a line, the last one first; the oldest are forgotten.
func (it *item) letteredHistory(out Outcome) retry.History {
	older := out.History.Lettered
	for len(older) > maxLetters {
		older = older[:max(strings.LastIndexByte(older, '\n'), 0)]
	}
	h := retry.History{Lettered: string(out.Reason) + " " + string(it.remember(out).text()), Ambiguous: out.History.Ambiguous}
	if older != "" {
		h.Lettered += "\n" + older
	}
	return h
}

// again is the outcome of a record that was settled before. It is false where the ledger does not know that it was.
func (it *item) again(claim Claim) (Outcome, bool) {
	letters := claim.History.Lettered
	if letters == "" && claim.Answer != AnswerDelivered { // almost every event
		return Outcome{}, false
	}
	origin := OriginID("", &it.record)
	if claim.Answer == AnswerDelivered {
		m := recall(claim.Reply)
		if m.isOf(origin) {
			out := m.outcome()
			out.Kind, out.Fields = Delivered, m.reply
			return out, true
		}
		letters = m.letters
	}
	for line := range strings.SplitSeq(letters, "\n") {
		reason, text, _ := strings.Cut(line, " ")
		m := recall([]byte(text))
		if !m.isOf(origin) {
			continue
		}
		out := m.outcome()
		out.give(event.Reason(reason), m.message)
		if out.lettered = true; out.Message == "" {
			out.Message = "its dead letter was written before"
		}
		if claim.Token != 0 {
			out.step, out.token = ledgerRelease, claim.Token
		}
		return out, true
	}
	return Outcome{}, false
}

// outcome is an outcome as it was, but for what it was.
func (m remembered) outcome() Outcome {
	return Outcome{
		Reply:   top.Reply{RequestID: m.requestID, Code: m.code, SubCode: m.subCode},
		History: retry.History{Attempts: m.attempts}, again: true,
	}
}

// isOf says whether it is of the record with that origin.
func (m remembered) isOf(origin string) bool {
	return len(m.record) >= recordLen && strings.HasPrefix(origin, m.record)
}

func (m remembered) text() []byte {
	b := make([]byte, 0, 64+len(m.reply)+len(m.message)+len(m.letters))
	text := func(s string) { b, _ = jsontext.AppendQuote(b, s) } // what is not UTF-8 becomes U+FFFD
	b = append(b, '[')
	text(m.record)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(m.attempts), 10)
	b = append(b, ',')
	text(m.requestID)
	b = append(b, ',')
	if len(m.reply) > 0 {
		b = append(b, m.reply...)
	} else {
		b = append(b, "null"...)
	}
	for _, s := range []string{m.code, m.subCode, m.message, m.letters} {
		b = append(b, ',')
		text(s)
	}
	for {
		rest, found := bytes.CutSuffix(b, []byte(`,""`))
		if !found {
			rest, found = bytes.CutSuffix(b, []byte(",null"))
		}
		if !found {
			return append(b, ']')
		}
		b = rest
	}
}

// recall reads a text back.
func recall(text []byte) (m remembered) {
	switch {
	case len(text) == 0:
		return m
	case text[0] == '{':
		return remembered{reply: text}
	case text[0] != '[':
		return remembered{record: string(text)}
	}
	var members [8]json.RawMessage
	if json.Unmarshal(text, &members) != nil {
		return remembered{}
	}
	for i, to := range []any{&m.record, &m.attempts, &m.requestID, nil, &m.code, &m.subCode, &m.message, &m.letters} {
		if to != nil && members[i] != nil && json.Unmarshal(members[i], to) != nil {
			return remembered{}
		}
	}
	if reply := members[3]; len(reply) > 0 && reply[0] == '{' {
		m.reply = reply
	}
	return m
}
