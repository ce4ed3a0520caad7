package config

import (
	"slices"
	"strings"
	"testing"
)

func TestProblemsOfTheFile(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"unknown keys", "kafak: {}\nkafka:\n  brokerz: [a:1]\n  zzzzzzzzzzzz: 1\ntop: {accounts: {a: {app_key: '1', app_secret: x, app_secret_file: /f}}}", []string{
			"c.yaml:1:1: kafak: unknown key; did you mean kafka?",
			"c.yaml:3:3: kafka.brokerz: unknown key; did you mean brokers?",
			"c.yaml:4:3: kafka.zzzzzzzzzzzz: unknown key",
			"c.yaml:5:36: top.accounts.a.app_secret: unknown key; did you mean app_secret_file?",
		}},
		{"a key twice", "log: {level: info, level: warn}\nkafka:\n  group_id: a\n  group_id: b\nlog: {}", []string{
			"c.yaml:1:20: log.level: the key stands here twice, first at c.yaml:1:7; remove one",
			"c.yaml:4:3: kafka.group_id: the key stands here twice, first at c.yaml:3:3; remove one",
			"c.yaml:5:1: log: the key stands here twice, first at c.yaml:1:1; remove one",
		}},
		{"wrong types", `kafka:
  brokers: a:1
  client_id: ~
  group_id: true
  topics: {a: b}
  tls: yes
top:
  timeout: 15
  dry_run: "true"
  accounts: [a]
consumer:
  concurrency: many
  drain_timeout: [1s]
  max_event_bytes: 1.5
  max_span: 1.5
retry: exponential
breaker: {failure_ratio: half}
`, []string{
			"c.yaml:2:12: kafka.brokers: a list is needed here, not a text: write [a, b]",
			"c.yaml:3:14: kafka.client_id: the key has no value; if the text is meant put it in quotes, \"~\", else remove the key",
			"c.yaml:4:13: kafka.group_id: a text is needed here, not a boolean: put it in quotes, \"true\"",
			"c.yaml:5:11: kafka.topics: a list is needed here, not a section: write [a, b]",
			"c.yaml:6:8: kafka.tls: a section with keys is needed here, not a text",
			"c.yaml:8:12: top.timeout: a duration needs a unit: write for example 15s",
			"c.yaml:9:12: top.dry_run: a true or false is needed here, not the text \"true\"",
			"c.yaml:10:13: top.accounts: a section with keys is needed here, not a list",
			"c.yaml:12:16: consumer.concurrency: a whole number is needed here, not the text \"many\"",
			"c.yaml:13:18: consumer.drain_timeout: a duration is needed here, not a list",
			"c.yaml:14:20: consumer.max_event_bytes: a size is needed here, not a number",
			"c.yaml:15:13: consumer.max_span: a whole number is needed here, not a number",
			"c.yaml:16:8: retry: a section with keys is needed here, not a text",
			"c.yaml:17:26: breaker.failure_ratio: a number is needed here, not the text \"half\"",
		}},
		{"values out of bounds", `consumer: {concurrency: 0, max_event_bytes: 981KiB, max_unsettled: -1}
retry: {multiplier: 0.5, randomization_factor: 1.5, give_up_after: -1s}
top: {rate_limit: {per_second: -1, burst: -1}}
`, []string{
			"c.yaml:1:25: consumer.concurrency: the value is below the least one, 1",
			"c.yaml:1:45: consumer.max_event_bytes: the value is above the greatest one, 980KiB",
			"c.yaml:1:68: consumer.max_unsettled: the value is below the least one, 2",
			"c.yaml:2:21: retry.multiplier: the value is below the least one, 1",
			"c.yaml:2:48: retry.randomization_factor: the value is above the greatest one, 1",
			"c.yaml:2:68: retry.give_up_after: the value is negative",
			"c.yaml:3:32: top.rate_limit.per_second: the value is negative",
			"c.yaml:3:43: top.rate_limit.burst: the value is negative",
		}},
		{"values of the wrong form", `kafka:
  brokers: [localhost, "a:0", ""]
  topics: [a b, .., {name: ok, plain: {type: t, source: s, id: [a, /~2]}}]
  start_offset: lates
top:
  gateway: ftp://x
  timeout: 15 s
consumer: {max_event_bytes: 900KB}
qimen: {outbound: {gateway: "https://u:p@h/?q"}}
ops: {listen: "8080", path_prefix: x/}
`, []string{
			`c.yaml:2:13: kafka.brokers[0]: "localhost" is no address...`,
			`c.yaml:2:24: kafka.brokers[1]: "a:0" is no address...`,
			`c.yaml:2:31: kafka.brokers[2]: an element is empty`,
			`c.yaml:3:12: kafka.topics[0]: "a b" is no topic name...`,
			`c.yaml:3:17: kafka.topics[1]: ".." is no topic name...`,
			`c.yaml:3:65: kafka.topics[2].plain.id[0]: "a" is no JSON Pointer: begin with '/'...`,
			`c.yaml:3:68: kafka.topics[2].plain.id[1]: "/~2" is no JSON Pointer: write '~' as ~0...`,
			`c.yaml:4:17: kafka.start_offset: "lates" is not among earliest, latest; did you mean latest?`,
			`c.yaml:6:12: top.gateway: the value is no URL...`,
			`c.yaml:7:12: top.timeout: "15 s" is no duration...`,
			`c.yaml:8:29: consumer.max_event_bytes: "900KB" is no size: write for example 900KiB...`,
			`c.yaml:9:29: qimen.outbound.gateway: the URL holds a user name; take it out`,
			`c.yaml:10:15: ops.listen: "8080" is no address to listen on...`,
			`c.yaml:10:36: ops.path_prefix: "x/" is no path prefix...`,
		}},
		{"values that are missing or empty", `kafka:
  topics: [{plain: {id: []}}]
  group_id: ""
  brokers: []
  client_id:
  sasl: {}
top: {accounts: {a: {app_key: "", session_file: /s}}}
`, []string{
			"c.yaml:2:25: kafka.topics[0].plain.id: the list is empty; give at least one element",
			"c.yaml:2:12: kafka.topics[0].name: the key is missing; it must be given",
			"c.yaml:2:13: kafka.topics[0].plain.type: the key is missing; it must be given",
			"c.yaml:2:13: kafka.topics[0].plain.source: the key is missing; it must be given",
			"c.yaml:3:13: kafka.group_id: the value is empty; it must be given",
			"c.yaml:4:12: kafka.brokers: the list is empty; give at least one element",
			"c.yaml:5:13: kafka.client_id: the key has no value; give one or remove the key",
			"c.yaml:6:3: kafka.sasl.mechanism: the key is missing; it must be given",
			"c.yaml:6:3: kafka.sasl.username: the key is missing; it must be given",
			"c.yaml:6:3: kafka.sasl.password_file: the key is missing; it must be given",
			"c.yaml:7:31: top.accounts.a.app_key: the value is empty; it must be given",
			"c.yaml:7:18: top.accounts.a.app_secret_file: the key is missing; it must be given",
		}},
		{"empty choices", "top: {sign_method: ''}\ntypes: {a: {superseded: ''}}\n", []string{
			"c.yaml:1:20: top.sign_method: the value is empty; give one of hmac-sha256, hmac, md5 or remove the key",
			"c.yaml:2:25: types.a.superseded: the value is empty; give one of skip, send or remove the key",
		}},
		{"no mapping", "- a\n- b\n", []string{"c.yaml:1:1: a section with keys is needed here, not a list"}},
		{"two documents", "log: {}\n---\nlog: {}\n", []string{"c.yaml:3:1: not YAML: more than one document"}},
		{"not UTF-8", "log:\n  level: \xff\n", []string{"c.yaml:2: the file is not UTF-8"}},
		{"unknown alias", "top: {timeout: *t}\n", []string{`c.yaml:1:16: there is no anchor "t" in this file before this alias`}},
		{"alias before its anchor", "kafka: {client_id: *a}\nlog: {level: &a info}\n", []string{`c.yaml:1:20: there is no anchor "a" in this file before this alias`}},
		{"merge of itself", "top: &a\n  <<: *a\n", []string{"c.yaml:2:3: top: merge keys are nested too deeply"}},
		{"merge of itself, often", "top: &a {<<: [*a, *a, *a, *a, *a, *a, *a, *a], dry_run: maybe}\n", append(
			slices.Repeat([]string{"c.yaml:1:6: top: merge keys are nested too deeply"}, 8),
			`c.yaml:1:57: top.dry_run: a true or false is needed here, not the text "maybe"`)},
		{"merge of a text", "top: {<<: x}\n", []string{"c.yaml:1:11: top: a section with keys is needed here, not a text"}},
		{"alias within its node", "kafka: {topics: &a [*a]}\nmethods: &m {a: *m}\n", []string{
			"c.yaml:1:17: kafka.topics[0]: a text is needed here, not a list",
			"c.yaml:2:14: methods.a.a: unknown key",
		}},
		{"names that are none", "kafka: {~: x, [a]: x, !!str b: x, &c c: x}\n*c : x\n", []string{
			"c.yaml:1:9: kafka: a name is needed as a key, not nothing",
			"c.yaml:1:15: kafka: a name is needed as a key, not a list",
			`c.yaml:1:23: YAML tags are not supported; remove "!!str"`,
			"c.yaml:1:35: kafka.c: unknown key",
			"c.yaml:2:1: a name is needed as a key, not an alias",
		}},
		{"anchor twice", "log: {level: &a info, format: &a json}\n", []string{`c.yaml:1:31: the anchor "a" is defined twice`}},
		{"tags", "log: {level: !!str info, format: !x json}\nkafka: !!map\n  a: 1\n", []string{
			`c.yaml:1:14: YAML tags are not supported; remove "!!str"`,
			`c.yaml:1:34: YAML tags are not supported; remove "!x"`,
			`c.yaml:2:8: YAML tags are not supported; remove "!!map"`,
		}},
		{"names of entries", "methods: {'': {}, \"a\\nb\": {}}\n", []string{
			"c.yaml:1:11: methods: a name in this map cannot be used: the value is empty...",
			"c.yaml:1:19: methods: a name in this map cannot be used: the value holds a control...",
		}},
		{"control character", "kafka: {group_id: \"a\\nb\"}\n", []string{"c.yaml:1:19: kafka.group_id: the value holds a control character..."}},
	} {
		t.Run(tt.name, func(t *testing.T) { sameLines(t, problemsOf(t, tt.text, Options{}), tt.want) })
	}
}

func TestSpellingsThatAreAccepted(t *testing.T) {
	c := loadText(t, `
top:
  accounts: {default: {app_key: 0123, app_secret_file: /f}}
  rate_limit: {per_second: 0.5, burst: 1}
methods: {a: {transient_codes: [1100, "x", 007]}}
consumer: {max_event_bytes: 1024, max_buffered_bytes: 1GiB}
retry: {give_up_after: 0, multiplier: 2}
kafka:
  topics: [top.a,]
  group_id: |-
    block
  "client_id": 'quoted'
`, Options{})
	if k := c.Top.Accounts["default"].AppKey; k != "0123" {
		t.Errorf("a number as an app key: %q", k)
	}
	if codes := strings.Join(c.Methods["a"].TransientCodes, " "); codes != "1100 x 007" {
		t.Errorf("codes: %q", codes)
	}
	if c.Kafka.GroupID != "block" || c.Kafka.ClientID != "quoted" {
		t.Errorf("texts: %q, %q", c.Kafka.GroupID, c.Kafka.ClientID)
	}
	if c.Consumer.MaxEventBytes != 1024 || c.Consumer.MaxBufferedBytes != 1<<30 || c.Retry.GiveUpAfter != 0 || c.Top.RateLimit.PerSecond != 0.5 {
		t.Errorf("%s", c.YAML())
	}
}

func TestEmptyFilesAreTheDefaults(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "kafka:\ntop:\n", "{}", "null", "--- # nothing\n...\n", "---\n---\n{}\n---\n", "%YAML 1.2\n---\n"} {
		if got := problemsOf(t, text, Options{}); got != nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// A value that someone put under a wrong key by mistake may be a secret.
func TestProblemsDoNotRepeatWhatCouldBeASecret(t *testing.T) {
	for _, text := range []string{
		"top: {app_secret: hunter2}", "top: {gateway: 'https://me:hunter2@host/'}", "kafka: {sasl: {password: hunter2}}",
		"top:\n  app_secret: hunter2\n bad: x", "hunter2",
	} {
		for _, p := range problemsOf(t, text, Options{}) {
			if strings.Contains(p, "hunter2") {
				t.Errorf("%q: %s", text, p)
			}
		}
	}
}

func TestProblemsComeInTheOrderOfTheLines(t *testing.T) {
	_, err := load("c.yaml", []byte("top: {accounts: {a: {}}}\nkafka:\n  a: 1\n  group_id: x\n  group_id: x\nlog: {b: 1, a: 1}\n"), Options{Env: []string{"TOPRELAY_A__B=1"}})
	if err == nil {
		t.Fatal("no problem")
	}
	last := -1
	for _, begin := range []string{"c.yaml:1:18", "c.yaml:3:3", "c.yaml:5:3", "c.yaml:6:7", "c.yaml:6:13", "TOPRELAY_A__B"} {
		at := strings.Index(err.Error(), "\n  "+begin+": ")
		if at <= last {
			t.Errorf("%s stands at %d, the one before at %d in\n%v", begin, at, last, err)
		}
		last = at
	}
}
