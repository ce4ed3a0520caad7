package config

import (
	"bytes"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestDocumentationIsCurrent(t *testing.T) {
	onDisk, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(onDisk, Markdown()) {
		t.Error("docs/configuration.md is stale; renew it with: go generate ./internal/config")
	}
}

func TestExampleIsTheContractsFile(t *testing.T) {
	contract, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if a, b := loadText(t, string(Example()), Options{}), loadText(t, string(contract), Options{}); !same(a, b) {
		t.Errorf("the example gives\n%s\nthe contract's file gives\n%s", a.YAML(), b.YAML())
	}
}

// options matches a key or line that the example shows as a comment; the comments that are words begin with a capital.
var options = regexp.MustCompile(`(?m)^# ( *[a-z#])`)

func TestExampleShowsEveryKey(t *testing.T) {
	full := options.ReplaceAllString(string(Example()), "$1")
	full = strings.NewReplacer("  topics: [top.status-changes, top.work-orders]\n", "", "methods: {}\n", "", "types: {}\n", "").Replace(full)
	c := loadText(t, full, Options{})
	walk(keys().fields, func(k *key) {
		path := strings.NewReplacer("accounts.<name>", "accounts.default", "methods.<name>", "methods.taobao.logistics.provider.work.order.sync",
			"types.<name>", "types.top.workorder.sync.v1", "[]", "[0]").Replace(k.path)
		if c.Source(path) == "default" {
			t.Errorf("%s is not in the example", k.path)
		}
	})
}

func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSchemaAgreesWithLoad(t *testing.T) {
	s := schema(t)
	contract, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"contract", string(contract), true},
		{"example", string(Example()), true},
		{"printed", string(loadText(t, accounts, Options{}).YAML()), true},
		{"empty sections", "kafka:\nmethods: {a: {}, b: }\n", true},
		{"topics", "kafka: {topics: [a, {name: b, plain: {type: t, source: s, id: [/a]}}], tls: {}}", true},
		{"codes", "methods: {a: {transient_codes: [1, B], retry: {multiplier: 1.5}}}", true},
		{"zero durations", "retry: {give_up_after: 0}", true},
		{"unknown key", "kafak: {}", false},
		{"unknown key below", "kafka: {broker: [a:1]}", false},
		{"no list", "kafka: {brokers: a:1}", false},
		{"empty list", "kafka: {brokers: []}", false},
		{"not among", "log: {level: loud}", false},
		{"negative", "retry: {max_attempts: -1}", false},
		{"too many", "consumer: {concurrency: 1000000}", false},
		{"no unit", "top: {timeout: 15}", false},
		{"wrong unit", "top: {timeout: 15 parsecs}", false},
		{"no size", "consumer: {max_event_bytes: 900KB}", false},
		{"number for text", "kafka: {group_id: 5, client_id: 1.50, topics: [7]}", true},
		{"number for an address", "kafka: {brokers: [9092]}", false},
		{"number for a choice", "log: {level: 1}", false},
		{"boolean for text", "kafka: {group_id: true}", false},
		{"yes for a boolean", "top: {dry_run: yes}", false},
		{"incomplete account", "top: {accounts: {a: {app_key: '1'}}}", false},
		{"plain without id", "kafka: {topics: [{name: b, plain: {type: t, source: s}}]}", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			node, err := parse([]byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			text, err := indented(jsonValue(node))
			if err != nil {
				t.Fatal(err)
			}
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			_, loadErr := load("c.yaml", []byte(tt.text), Options{})
			schemaErr := s.Validate(doc)
			if (schemaErr == nil) != tt.ok || (loadErr == nil) != tt.ok {
				t.Errorf("want ok = %v; schema: %v; Load: %v", tt.ok, schemaErr, loadErr)
			}
		})
	}
}

func TestSchemaHasTheDefaults(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	at := func(path ...string) any {
		v := doc
		for _, p := range path {
			v = v.(map[string]any)["properties"].(map[string]any)[p]
		}
		return v.(map[string]any)["default"]
	}
	if d := at("kafka", "topics"); !reflect.DeepEqual(d, []any{"top.status-changes", "top.work-orders"}) {
		t.Errorf("kafka.topics: %v", d)
	}
	if d := at("consumer", "max_event_bytes"); d != "900KiB" {
		t.Errorf("consumer.max_event_bytes: %v", d)
	}
}
