package consumer

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// remembered is what the ledger keeps of how a record was settled. A record is read again after a restart where the watermark
// had not passed it; then it is settled in the same way once more, with the same result and without a call. Any other record
// of its id is an event of its own: a duplicate of a success, and free after a dead letter.
//
// It is kept with every success, where each byte costs: the form; the record; and the packed request id, or where there is more
// to keep, what is there, each with a tag and its length.
type remembered struct {
	record    recordID
	attempts  int
	requestID string
	reply     []byte // of a success, where it is short enough
	code      string
	subCode   string
	message   string // of a dead letter
	letters   string // of a success: the dead letters that earlier records of its id have; see letteredHistory
}

// recordID is the beginning of a record's origin: enough to tell the records of one idempotent id apart. Zero is nobody's.
type recordID [6]byte

const (
	// The forms, which are the first byte. Earlier versions have kept the reply alone, which begins with {.
	formFields = 1
	formPacked = 2

	oldOriginLen = 32
	// maxRemembered bounds what is kept of one success, maxLetters what is kept of older dead letters, in bytes.
	maxRemembered = 4 << 10
	maxLetters    = 2 << 10
)

func (it *item) recordID() recordID {
	sum := origin("", &it.record)
	return recordID(sum[:])
}

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
	b := m.bytes()
	if len(b) > maxRemembered {
		m.letters = ""
		b = m.bytes()
	}
	return b
}

// letteredHistory is what the ledger keeps of an id after a dead letter. The id may be used again, but the record itself,
// when it is read again, must not be sent: later events of its key may have been delivered since. Of several letters of the
// id each is a line, the last one first; the oldest are forgotten.
func (it *item) letteredHistory(out Outcome) retry.History {
	older := out.History.Lettered
	for len(older) > maxLetters {
		older = older[:max(strings.LastIndexByte(older, '\n'), 0)]
	}
	h := retry.History{Lettered: string(out.Reason) + " " + it.remember(out).text(), Ambiguous: out.History.Ambiguous}
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
	record := it.recordID()
	if claim.Answer == AnswerDelivered {
		m := recall(claim.Reply)
		if m.isOf(record) {
			out := m.outcome()
			out.Kind, out.Fields = Delivered, m.reply
			return out, true
		}
		letters = m.letters
	}
	for line := range strings.SplitSeq(letters, "\n") {
		reason, text, _ := strings.Cut(line, " ")
		m := recallText(text)
		if !m.isOf(record) {
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

// isOf says whether it is of that record.
func (m remembered) isOf(r recordID) bool { return m.record == r && r != recordID{} }

// The tags. They are in ledgers: they never change.
const (
	tagAttempts  = 'n' // in decimal digits, where it is not one
	tagRequestID = 'q'
	tagReply     = 'r'
	tagCode      = 'c'
	tagSubCode   = 's'
	tagMessage   = 'm'
	tagLetters   = 'l'
)

func (m remembered) bytes() []byte {
	b := make([]byte, 0, 64+len(m.reply)+len(m.message)+len(m.letters))
	b = append(append(b, formPacked), m.record[:]...)
	if m.attempts == 1 && len(m.reply)+len(m.code)+len(m.subCode)+len(m.message)+len(m.letters) == 0 {
		if packed, ok := pack(b, m.requestID); ok {
			return packed
		}
	}
	b[0] = formFields
	if m.attempts != 1 {
		b = appendField(b, tagAttempts, strconv.Itoa(m.attempts))
	}
	b = appendField(b, tagRequestID, m.requestID)
	b = appendField(b, tagReply, string(m.reply))
	b = appendField(b, tagCode, m.code)
	b = appendField(b, tagSubCode, m.subCode)
	b = appendField(b, tagMessage, m.message)
	return appendField(b, tagLetters, m.letters)
}

func appendField(b []byte, tag byte, text string) []byte {
	if text == "" {
		return b
	}
	return append(binary.AppendUvarint(append(b, tag), uint64(len(text))), text...)
}

// recall reads back what a success has left.
func recall(b []byte) remembered {
	m := remembered{attempts: 1}
	if len(b) > 0 && b[0] == '{' {
		return remembered{reply: b}
	}
	if len(b) < 1+len(m.record) {
		return remembered{}
	}
	form := b[0]
	b = b[1+copy(m.record[:], b[1:]):]
	switch form {
	case formFields:
	case formPacked:
		m.requestID = unpack(b)
		return m
	default:
		return remembered{}
	}
	for len(b) > 1 {
		tag := b[0]
		n, size := binary.Uvarint(b[1:])
		if size <= 0 || n > uint64(len(b)-1-size) {
			return remembered{}
		}
		field := b[1+size:][:n]
		b = b[1+size:][n:]
		switch tag {
		case tagAttempts:
			m.attempts, _ = strconv.Atoi(string(field))
		case tagRequestID:
			m.requestID = string(field)
		case tagReply:
			m.reply = field
		case tagCode:
			m.code = string(field)
		case tagSubCode:
			m.subCode = string(field)
		case tagMessage:
			m.message = string(field)
		case tagLetters:
			m.letters = string(field)
		}
	}
	return m
}

// text is the same for a history, which is text.
func (m remembered) text() string { return base64.RawStdEncoding.EncodeToString(m.bytes()) }

// recallText reads back what a history has. Earlier versions have kept the record's origin alone, in hex digits.
func recallText(text string) remembered {
	if len(text) == oldOriginLen {
		if sum, err := hex.DecodeString(text); err == nil {
			return remembered{record: recordID(sum)}
		}
	}
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return remembered{}
	}
	return recall(b)
}
