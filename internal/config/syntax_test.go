package config

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// flow writes a node with braces and brackets, on one line; texts stay without quotes where they have none.
func flow(n *yaml.Node) string {
	var parts []string
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i < len(n.Content); i += 2 {
			parts = append(parts, n.Content[i].Value+": "+flow(n.Content[i+1]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case yaml.SequenceNode:
		for _, element := range n.Content {
			parts = append(parts, flow(element))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if n.Style == yaml.DoubleQuotedStyle {
		return strconv.Quote(n.Value)
	}
	return n.Value
}

// block writes a node in lines, behind the colon or dash that it is the value of.
func block(n *yaml.Node, indent string) string {
	if len(n.Content) == 0 {
		return " " + flow(n) + "\n"
	}
	out := "\n"
	for i := 0; i < len(n.Content); i++ {
		if n.Kind == yaml.SequenceNode {
			out += indent + "-" + block(n.Content[i], indent+"  ")
			continue
		}
		out += indent + n.Content[i].Value + ":" + block(n.Content[i+1], indent+"  ")
		i++
	}
	return out
}

func TestTheContractsFileInAnyStyleIsTheSame(t *testing.T) {
	contract, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := parse(contract)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := indented(jsonValue(doc))
	if err != nil {
		t.Fatal(err)
	}
	want := loadText(t, string(contract), Options{})
	for _, tt := range []struct{ name, text, shows string }{
		{"flow", flow(doc), "{kafka: {brokers: [127.0.0.1:9092], client_id:"},
		{"block", block(doc, ""), "\n  brokers:\n    - 127.0.0.1:9092\n"},
		{"JSON", string(asJSON), "\"brokers\": [\n      \"127.0.0.1:9092\"\n"},
		{"JSON with tabs", strings.ReplaceAll(string(asJSON), "  ", "\t"), "\n\t\t\"brokers\""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(tt.text, tt.shows) {
				t.Errorf("%q is not in\n%s", tt.shows, tt.text)
			}
			if got := loadText(t, tt.text, Options{}); !same(got, want) {
				t.Errorf("gives\n%s\nwant\n%s\nof\n%s", got.YAML(), want.YAML(), tt.text)
			}
		})
	}
}

func TestColonsInFlowStyle(t *testing.T) {
	c := loadText(t, `
kafka: {brokers: [127.0.0.1:9092,localhost:9093, "[::1]:9094"], group_id: x}
top: {gateway: https://eco.taobao.com/router/rest, accounts: {a: {app_key: a:b, app_secret_file: /f}}}
dedup: {redis: {addresses: [ 127.0.0.1:6379 , "h:1", ], prefix: "a:"}}
ops: {listen: 127.0.0.1:8081}
`, Options{})
	if got := strings.Join(append(c.Kafka.Brokers, c.Dedup.Redis.Addresses...), " "); got != "127.0.0.1:9092 localhost:9093 [::1]:9094 127.0.0.1:6379 h:1" {
		t.Errorf("addresses: %s", got)
	}
	if c.Kafka.GroupID != "x" || c.Top.Gateway != "https://eco.taobao.com/router/rest" || c.Top.Accounts["a"].AppKey != "a:b" || c.Ops.Listen != "127.0.0.1:8081" {
		t.Errorf("%s", c.YAML())
	}
}

// Two escapes that YAML 1.1 does not have; and they do not move what stands behind them.
func TestEscapesOfJSON(t *testing.T) {
	c := loadText(t, `{"top": {"gateway": "https:\/\/eco.taobao.com\/router\/rest", "accounts": {"a": {"app_key": "\u00e9\\\/\ud83d\ude00", "app_secret_file": "\/f"}}}}`, Options{})
	if key := c.Top.Accounts["a"].AppKey; c.Top.Gateway != "https://eco.taobao.com/router/rest" || key != `é\/😀` {
		t.Errorf("gateway %q, app key %q", c.Top.Gateway, key)
	}
	sameLines(t, problemsOf(t, `{"log": {"level": "\/\/", "x\/": 1, "format": "x\ud83d\ude00", "y": 2}}`, Options{}), []string{
		`c.yaml:1:19: log.level: "//" is not among debug, info, warn, error`,
		`c.yaml:1:27: log.x/: unknown key`,
		`c.yaml:1:47: log.format: "x😀" is not among json, text`,
		`c.yaml:1:64: log.y: unknown key`,
	})
}

func TestVersionDirectives(t *testing.T) {
	for _, head := range []string{"%YAML 1.1\n---\n", "%YAML 1.2\n--- \n", "# c\n\n%TAG !x! tag:x,2026:\n%YAML  1.2 # c\n---\n", "%YAML 1.2\r\n---\r\n", "---\n"} {
		loadText(t, head+accounts, Options{})
	}
	sameLines(t, problemsOf(t, "%YAML 2.0\n---\nlog: {}\n", Options{}), []string{"c.yaml:1:1: not YAML: found incompatible YAML document"})
}

// The mistake is where the place says, and not where the section around it begins, or one line above.
func TestSyntaxErrorsHaveTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"kafka:\n  brokers: [a\nlog: }":              "3:4: not YAML: did not find expected ',' or ']' while parsing a flow sequence that begins at c.yaml:2:12",
		"kafka: {\n}}":                               "2:2: not YAML: did not find expected key while parsing a block mapping that begins at c.yaml:1:1",
		"log: {level: info}}\n\n# c\nkafka: {}\n":    "1:19: not YAML: did not find expected key while parsing a block mapping that begins at c.yaml:1:1",
		"log:\n  a: 1\n\n\n b: 2\n":                  "5:2: not YAML: did not find expected key while parsing a block mapping that begins at c.yaml:1:1",
		"log: a: b":                                  "1:7: not YAML: mapping values are not allowed in this context",
		"log:\n  level: \"info\nkafka: {}\n":         "4:1: not YAML: found unexpected end of stream while scanning a quoted scalar that begins at c.yaml:2:10",
		"log:\n\tlevel: info\n":                      "2:1: not YAML: found character that cannot start any token: indent with spaces, not with a tab",
		"ops: {listen: :8080}\n":                     "1:15: not YAML: did not find expected node content: put the text with : in quotes",
		"kafka: {group_id: %x}\n":                    "1:19: not YAML: found character that cannot start any token: put the text with % in quotes",
		"log: {}\nkafka: {group_id: @x}\n":           "2:19: not YAML: found character that cannot start any token: put the text with @ in quotes",
		"ops: {path_prefix: /x?y}":                   "1:22: not YAML: did not find expected ',' or '}': put the text with ? in quotes",
		"log: {level: \"\\q\"}":                      "1:15: not YAML: found unknown escape character while parsing a quoted scalar that begins at c.yaml:1:14",
		"log: &a *a\n":                               "1:9: not YAML: did not find expected key while parsing a block mapping that begins at c.yaml:1:1",
		"log: {}\n--- {\n":                           "3:1: not YAML: did not find expected node content",
		"log: {}\n---\nlog: {}\n":                    "3:1: not YAML: more than one document",
		"log: {}\n---\n# c\nlog: &a\n  b: 1\n---\nx": "4:1: not YAML: more than one document",
		"log: {}\nä: \x00":                           "2:4: not YAML: the character U+0000 is not allowed",
		"log: {level: \"\uFEFF\"}":                   "1:15: not YAML: the character U+FEFF is not allowed",
	} {
		if got := strings.Join(problemsOf(t, text, Options{}), "\n"); got != "c.yaml:"+want {
			t.Errorf("%q gives\n%s, want\nc.yaml:%s", text, got, want)
		}
	}
}
