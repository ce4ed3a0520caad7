package config

import (
	"fmt"
	"strings"
	"testing"
)

// Where a text is needed it is what the file says, also where YAML sees a number or, in version 1.1, a date or a boolean.
func TestTextsAreTakenAsTheyAreWritten(t *testing.T) {
	for _, text := range []string{
		"12345678", "0123", "007", "0x1F", "0o17", "0b11", "1e3", "-1", "+5", ".5", "5.", "1.10", "1_000", ".inf", ".NaN",
		"123456789012345678901234567890", "2026-01-02", "2026-01-02T03:04:05Z", "12:30:45",
		"yes", "No", "on", "OFF", "y", "N", "nan", "<<", "=", "127.0.0.1:9092", "a:b", "-x",
	} {
		for _, file := range []string{"kafka: {client_id: %s, group_id: '%[1]s'}\n", "kafka:\n  client_id: %s # comment\n  group_id: \"%[1]s\"\n"} {
			file = accounts + fmt.Sprintf(file, text)
			if c := loadText(t, file, Options{}); c.Kafka.ClientID != text || c.Kafka.GroupID != text {
				t.Errorf("%s\ngives %q and %q", file, c.Kafka.ClientID, c.Kafka.GroupID)
			}
		}
	}
	c := loadText(t, "top: {accounts: {0x1F: {app_key: 0123, app_secret_file: 1.50}}}\nmethods: {5: {transient_codes: [007, 1e3]}}\n", Options{})
	if a := c.Top.Accounts["0x1F"]; a.AppKey != "0123" || a.AppSecretFile != "/etc/toprelay/1.50" {
		t.Errorf("account: %+v", c.Top.Accounts)
	}
	if codes := strings.Join(c.Methods["5"].TransientCodes, " "); codes != "007 1e3" {
		t.Errorf("codes: %q", codes)
	}
}

func TestScalarsByKind(t *testing.T) {
	const quoteIt, noText, noNumber = "put it in quotes", "not the text", "is no whole number"
	for _, tt := range []struct {
		key, values, problem string // values with blanks between them; no problem: are accepted
	}{
		{"kafka.client_id", "true True TRUE false False FALSE null Null NULL ~", quoteIt},
		{"kafka.brokers", "[true] [~]", quoteIt},
		{"top.dry_run", "true True TRUE false False FALSE", ""},
		{"top.dry_run", "yes no on off y 'true' maybe 1 0 1.5", "true or false is needed here"},
		{"top.dry_run", "~", "the key has no value"},
		{"consumer.concurrency", "5 017 09 +5", ""},
		{"consumer.concurrency", "1_000 0b11 2026-01-02 yes '5' 12:30", noText},
		{"consumer.concurrency", "0o17 0x1F 99999999999999999999", noNumber},
		{"consumer.concurrency", "1e3 5.0 .inf", "not a number"},
		{"consumer.concurrency", "true", "not a boolean"},
		{"retry.multiplier", "2 2. 2.5 .5e1 1e1 02 +2", ""},
		{"retry.multiplier", "1_0.5 '2' nan", noText},
		{"retry.multiplier", ".inf .NaN 0x1F", "is no number"},
		{"retry.give_up_after", "0 5s 1h30m '5s'", ""},
		{"retry.give_up_after", "5 017 0x5", "a duration needs a unit"},
		{"retry.give_up_after", "12:30:45 2026-01-02 1_0s", "is no duration"},
		{"retry.give_up_after", "1.5", "not a number"},
		{"consumer.max_event_bytes", "1024 01024 900KiB '900KiB'", ""},
		{"consumer.max_event_bytes", "0x400 1_024", "is no size"},
		{"consumer.max_event_bytes", "1e3", "not a number"},
	} {
		for value := range strings.FieldsSeq(tt.values) {
			section, key, _ := strings.Cut(tt.key, ".")
			file := fmt.Sprintf("%s: {%s: %s}\n", section, key, value)
			if section != "top" {
				file += accounts
			}
			found := ""
			for _, p := range problemsOf(t, file, Options{}) {
				if strings.Contains(p, ": "+tt.key) {
					found = p
				}
			}
			if (found == "") != (tt.problem == "") || !strings.Contains(found, tt.problem) {
				t.Errorf("%s: %s: %q, want %q", tt.key, value, found, tt.problem)
			}
		}
	}
}
