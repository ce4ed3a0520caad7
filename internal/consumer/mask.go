package consumer

import (
	"encoding/json"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/redact"
	"github.com/toprelay/worker/schemas"
)

// maxStoredReply is the longest reply that the ledger keeps, in bytes (contract section 6, Results).
const maxStoredReply = 1024

// mask hides personal data of the event and the account's secrets in a text of the platform, which may echo both. The data
// is decoded again: only failures come here.
func (w *Worker) mask(it *item, text string) string {
	var sensitive []string
	if ev, defect := w.decoder.Decode(&it.record); defect == nil && it.typ != nil {
		sensitive = it.typ.Sensitive(ev.Data)
	}
	if it.account != nil {
		sensitive = append(sensitive, it.account.Secret.Value())
		if it.account.Session != nil {
			sensitive = append(sensitive, it.account.Session.Value())
		}
	}
	return redact.Text(text, sensitive)
}

// replyJSON is the reply's own business fields as a JSON object, masked where marked, or nil where there are none.
func replyJSON(typ *schemas.Type, fields map[string]any) []byte {
	if len(fields) == 0 {
		return nil
	}
	b, err := json.Marshal(maskReply(typ, fields))
	if err != nil {
		return nil
	}
	return b
}

// kept is what the ledger keeps of a reply for later duplicates: one that is too long not at all.
func kept(reply []byte) []byte {
	if len(reply) > maxStoredReply {
		return nil
	}
	return reply
}

// maskReply masks the marked fields of a reply.
func maskReply(typ *schemas.Type, fields map[string]any) map[string]any {
	masked := make(map[string]any, len(fields))
	for name, value := range fields {
		masked[name] = value
	}
	for _, f := range typ.Reply.Fields {
		if value, ok := masked[f.Name].(string); ok && f.PII != "" {
			masked[f.Name] = redact.Value(f.PII, value)
		}
	}
	return masked
}

// cut shortens s to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
