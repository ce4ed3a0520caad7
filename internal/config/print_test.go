package config

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// same compares two configurations but for where their values come from.
func same(a, b *Config) bool {
	x, y := *a, *b
	x.sources, y.sources = nil, nil
	return reflect.DeepEqual(x, y)
}

func TestPrintedConfigurationLoadsAgain(t *testing.T) {
	contract, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", accounts, string(contract), string(Example()), accounts + `
kafka:
  topics: [a, {name: b, plain: {type: "a: b", source: "#s", id: [/x, "/~0 y"]}}]
  tls: {}
  sasl: {mechanism: plain, username: "o'neil \"x\" \\ {}", password_file: p/w}
methods:
  a.b.c: {timeout: 1ms, retry: {multiplier: 1.25}, transient_codes: ["007", null-, "yes"]}
  d: {}
types: {x.v1: {superseded: send}}
dedup: {redis: {addresses: ["h:1", "[::1]:2"], tls: {ca_file: c}}}
retry: {give_up_after: 0s, max_interval: 1h0m1s}
consumer: {max_event_bytes: 1025}
`} {
		first := loadText(t, text, Options{Env: []string{"TOPRELAY_TOP__RATE_LIMIT__PER_DAY=12"}})
		second := loadText(t, string(first.YAML()), Options{})
		if !same(first, second) {
			t.Errorf("of\n%s\nbecame\n%s\nand\n%s", text, first.YAML(), second.YAML())
		}
	}
}

func TestPrintSaysWhereValuesComeFrom(t *testing.T) {
	c := loadText(t, accounts+"kafka:\n  client_id: x\n", Options{Env: []string{"TOPRELAY_LOG__LEVEL=debug"}, Sets: []string{"log.format=text"}})
	out := string(c.YAML())
	for _, want := range []string{
		"  client_id: x  # /etc/toprelay/c.yaml:3:3\n", "  level: debug  # TOPRELAY_LOG__LEVEL\n", "  format: text  # --set log.format\n",
		"  group_id: toprelay\n", "      app_secret_file: /run/secret  # /etc/toprelay/c.yaml:1:42\n", "methods: {}\n", "  timeout: 15s\n",
		"  max_event_bytes: 900KiB\n", "  retention: 336h\n", "  rebalance_timeout: 1m\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("missing %q in\n%s", want, out)
		}
	}
}

func TestJSONHoldsWhatYAMLHolds(t *testing.T) {
	text, err := loadText(t, accounts, Options{}).JSON()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Kafka struct {
			Brokers        []string `json:"brokers"`
			SessionTimeout string   `json:"session_timeout"`
		} `json:"kafka"`
		Consumer map[string]any `json:"consumer"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if got.Kafka.Brokers[0] != "127.0.0.1:9092" || got.Kafka.SessionTimeout != "10s" || got.Consumer["concurrency"] != 256.0 {
		t.Errorf("%s", text)
	}
}

func TestAnyTextSurvivesPrinting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		c.Kafka.ClientID = rapid.StringMatching(`[^\x00-\x1f\x7f]{1,12}`).Filter(func(s string) bool {
			return !strings.ContainsRune(s, '\uFFFD') // is refused
		}).Draw(t, "text")
		c.Qimen.Inbound.Accounts = []string{c.Kafka.ClientID}
		again, err := load("c.yaml", c.YAML(), Options{})
		if err != nil {
			t.Fatalf("%v in\n%s", err, c.YAML())
		}
		if !same(c, again) {
			t.Fatalf("%q became %q", c.Kafka.ClientID, again.Kafka.ClientID)
		}
	})
}

// Places are comments in what is printed, and the name of a file may hold what no file of YAML may.
func TestAnyNameOfTheFileSurvivesPrinting(t *testing.T) {
	c, err := load("/etc/\x01 \u0085\u2028\uFEFF\xff/c.yaml", []byte(accounts), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.JSON(); err != nil { // reads what YAML writes
		t.Errorf("%v in\n%s", err, c.YAML())
	}
}

func FuzzSize(f *testing.F) {
	for _, s := range []string{"900KiB", "0", "1B", "-1", "9223372036854775807GiB", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if again, err := ParseSize(n.String()); err != nil || again != n {
			t.Errorf("%q is %d, which is written %s and read as %d, %v", s, n, n, again, err)
		}
	})
}
