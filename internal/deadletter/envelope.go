package deadletter

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
)

// Headers that a letter adds. The kafka_dlt ones are Spring Kafka's, so that tools which know those read ours too; numbers
// in them are big endian. All others are UTF-8 text.
const (
	HeaderOriginalTopic     = "kafka_dlt-original-topic"
	HeaderOriginalPartition = "kafka_dlt-original-partition" // 4 bytes
	HeaderOriginalOffset    = "kafka_dlt-original-offset"    // 8 bytes
	HeaderOriginalTimestamp = "kafka_dlt-original-timestamp" // 8 bytes, milliseconds
	HeaderOriginalGroup     = "kafka_dlt-original-consumer-group"
	HeaderException         = "kafka_dlt-exception-fqcn" // our reason
	HeaderExceptionMessage  = "kafka_dlt-exception-message"

	HeaderID            = "toprelay-id"
	HeaderReason        = "toprelay-reason"
	HeaderPointer       = "toprelay-pointer"
	HeaderType          = "toprelay-type"
	HeaderKey           = "toprelay-key"
	HeaderEventID       = "toprelay-event-id"
	HeaderAccount       = "toprelay-account"
	HeaderMethod        = "toprelay-method"
	HeaderCode          = "toprelay-code"
	HeaderSubCode       = "toprelay-sub-code"
	HeaderRequestID     = "toprelay-request-id"
	HeaderAttempts      = "toprelay-attempts"
	HeaderAmbiguous     = "toprelay-ambiguous"
	HeaderFirstFailedAt = "toprelay-first-failed-at"
	HeaderFailedAt      = "toprelay-failed-at"
	HeaderReplays       = "toprelay-replays"
	HeaderVersion       = "toprelay-version"

	HeaderSize      = "toprelay-size"      // of a reference: bytes of the value
	HeaderSHA256    = "toprelay-sha256"    // of a reference: hex SHA-256 of the value
	HeaderTruncated = "toprelay-truncated" // of a reference whose key or headers were too large as well: "headers" or "headers,key"
)

// maxMessage is the longest exception message, in bytes.
const maxMessage = 1024

// maxText bounds the other texts that come from a publisher or the platform, in bytes: an id of megabytes must not make a
// letter that no broker takes.
const maxText = 1024

// Envelope makes the record of a letter. group and version name who gives the event up.
func Envelope(l consumer.Letter, group, version string) event.Record {
	r := l.Record
	headers := make([]event.Header, 0, len(r.Headers)+24)
	headers = append(headers, r.Headers...)
	add := func(name, value string) { headers = append(headers, event.Header{Key: name, Value: []byte(value)}) }
	some := func(name, value string) {
		if value != "" {
			add(name, cut(value, maxText))
		}
	}
	number := func(name string, value []byte) { headers = append(headers, event.Header{Key: name, Value: value}) }

	add(HeaderOriginalTopic, r.Topic)
	number(HeaderOriginalPartition, binary.BigEndian.AppendUint32(nil, uint32(r.Partition)))
	number(HeaderOriginalOffset, binary.BigEndian.AppendUint64(nil, uint64(r.Offset)))
	number(HeaderOriginalTimestamp, binary.BigEndian.AppendUint64(nil, uint64(r.Time.UnixMilli())))
	add(HeaderOriginalGroup, group)
	add(HeaderException, string(l.Reason))
	add(HeaderExceptionMessage, cut(l.Message, maxMessage))

	add(HeaderID, consumer.OriginID(group, r))
	add(HeaderReason, string(l.Reason))
	some(HeaderPointer, l.Pointer)
	some(HeaderType, l.Type)
	some(HeaderKey, l.Key)
	some(HeaderEventID, l.EventID)
	some(HeaderAccount, l.Account)
	some(HeaderMethod, l.Method)
	some(HeaderCode, l.Code)
	some(HeaderSubCode, l.SubCode)
	some(HeaderRequestID, l.RequestID)
	add(HeaderAttempts, strconv.Itoa(l.Attempts))
	add(HeaderAmbiguous, strconv.FormatBool(l.Ambiguous))
	if !l.FirstFailedAt.IsZero() {
		add(HeaderFirstFailedAt, l.FirstFailedAt.UTC().Format(time.RFC3339Nano))
	}
	add(HeaderFailedAt, l.FailedAt.UTC().Format(time.RFC3339Nano))
	add(HeaderReplays, replays(r))
	add(HeaderVersion, version)
	return event.Record{Key: r.Key, Value: r.Value, Headers: headers, Time: l.FailedAt}
}

// Reference makes a letter that points to its record instead of holding its value: for a record that is too large to be
// written again. limit is the most that the letter may count, in bytes; what else does not fit goes too, and the letter
// says so.
func Reference(letter event.Record, original *event.Record, limit int) event.Record {
	sum := sha256.Sum256(original.Value)
	letter.Value = nil
	own := letter.Headers[len(original.Headers):]
	marks := []event.Header{
		{Key: HeaderSize, Value: []byte(strconv.Itoa(len(original.Value)))},
		{Key: HeaderSHA256, Value: []byte(hex.EncodeToString(sum[:]))},
	}
	letter.Headers = append(letter.Headers[:len(letter.Headers):len(letter.Headers)], marks...)
	if letter.Size() <= limit {
		return letter
	}
	truncated := "headers"
	letter.Headers = append(append([]event.Header(nil), own...), marks...)
	if letter.Size()+len(HeaderTruncated)+len(truncated) > limit {
		truncated = "headers,key"
		letter.Key = nil
	}
	letter.Headers = append(letter.Headers, event.Header{Key: HeaderTruncated, Value: []byte(truncated)})
	return letter
}

// replays is how often the record was replayed: a number that a replay has put there, else 0.
func replays(r *event.Record) string {
	if value, ok := r.Header(HeaderReplays); ok {
		if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
			return strconv.Itoa(n)
		}
	}
	return "0"
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
