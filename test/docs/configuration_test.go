package docs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/results"
	"github.com/toprelay/worker/schemas"
	"github.com/toprelay/worker/test/docs/markdown"
)

// section is a part of the configuration's JSON Schema.
type section struct {
	Properties           map[string]*section `json:"properties"`
	AdditionalProperties json.RawMessage     `json:"additionalProperties"`
	Items                *section            `json:"items"`
	AnyOf                []*section          `json:"anyOf"`
	OneOf                []*section          `json:"oneOf"`
}

func configuration(t *testing.T) *section {
	t.Helper()
	var s section
	if err := json.Unmarshal(config.Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

// has says whether there is a key of this path. The entries of a map have any name without a dot, or the name of a type or
// method.
func (s *section) has(path []string, named map[string]bool) bool {
	if s == nil {
		return false
	}
	if len(path) == 0 {
		return true
	}
	name, isItem := strings.CutSuffix(path[0], "[]")
	if p := s.Properties[name]; p != nil {
		if isItem {
			p = p.item()
		}
		if p.has(path[1:], named) {
			return true
		}
	}
	for _, form := range append(s.AnyOf, s.OneOf...) {
		if form.has(path, named) {
			return true
		}
	}
	var entry section
	if s.AdditionalProperties == nil || json.Unmarshal(s.AdditionalProperties, &entry) != nil {
		return false // absent or false
	}
	for i := range path {
		if (i == 0 || named[strings.Join(path[:i+1], ".")]) && entry.has(path[i+1:], named) {
			return true
		}
	}
	return false
}

func (s *section) item() *section {
	for _, form := range append(append([]*section{s}, s.AnyOf...), s.OneOf...) {
		if form.Items != nil {
			return form.Items
		}
	}
	return nil
}

// names are what looks like a key and is none.
func names(t *testing.T) map[string]bool {
	t.Helper()
	known, err := schemas.Load("")
	if err != nil {
		t.Fatal(err)
	}
	k := config.Default().Kafka
	n := map[string]bool{
		k.DeadLetterTopic: true, k.ActionsTopic: true, results.Type: true, "top.results": true,
		"top.inbound.work-orders": true, "top.workorder.issued.v1": true,
	}
	for _, topic := range k.Topics {
		n[topic.Name] = true
	}
	for _, typ := range known.Types() {
		n[typ.Name], n[typ.Method] = true, true
	}
	return n
}

// TestConfigurationKeys checks that every key that a document names is one: kafka.results_topic, types.<t>.superseded.
func TestConfigurationKeys(t *testing.T) {
	keys, others := configuration(t), names(t)
	var tops []string
	for name := range keys.Properties {
		tops = append(tops, name)
	}
	found := 0
	for _, m := range mentions(t, `^((?:`+strings.Join(tops, "|")+`)\.[\w.<>\[\]-]*[\w>\]])(?:$|[ :=])`) {
		if others[m.text] || strings.HasSuffix(m.text, ".md") || strings.HasSuffix(m.text, ".yaml") || strings.HasSuffix(m.text, ".go") {
			continue
		}
		found++
		if !keys.has(strings.Split(m.text, "."), others) {
			t.Errorf("%s:%d: %s is no key of the configuration, no topic and no type", m.path, m.line, m.text)
		}
	}
	if found < 50 {
		t.Errorf("only %d keys were found in the documents", found)
	}
}

func TestKeysAreTold(t *testing.T) {
	keys, named := configuration(t), names(t)
	for path, want := range map[string]bool{
		"kafka.results_topic": true, "kafka.result_topic": false, "kafka.topics[].plain.id": true, "kafka.topics[].plain.ids": false,
		"types.<t>.unknown_fields": true, "types.top.workorder.sync.v1.superseded": true, "types.<t>.unknown": false,
		"types.top.workorder.sync.v1.supersede": false,
		"methods.<m>.retry.max_attempts":        true, "top.accounts.default.app_key": true, "top.status": false, "consumer": true,
	} {
		if got := keys.has(strings.Split(path, "."), named); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

// TestVariables checks that every variable that a document names is read.
func TestVariables(t *testing.T) {
	keys, named := configuration(t), names(t)
	found := 0
	for _, m := range mentions(t, `(TOPRELAY_[A-Z0-9_]*[A-Z0-9])`) {
		name := strings.TrimPrefix(m.text, "TOPRELAY_")
		if name == "CONFIG" || strings.HasPrefix(name, "TEST_") {
			continue
		}
		found++
		path := strings.Split(strings.ToLower(name), "__")
		if !keys.has(path, named) {
			t.Errorf("%s:%d: %s names no key", m.path, m.line, m.text)
		}
	}
	if found == 0 {
		t.Error("no variable was found in the documents")
	}
}

// TestConfigurationOfReadme loads the README's configuration beside the secrets that the README makes.
func TestConfigurationOfReadme(t *testing.T) {
	known, err := schemas.Load("")
	if err != nil {
		t.Fatal(err)
	}
	text := ""
	for _, b := range document(t, "README.md").Blocks() {
		if y := markdown.HereDocument(b.Text, "toprelay.yaml"); y != "" {
			text = y
		}
	}
	if text == "" {
		t.Fatal("the README writes no toprelay.yaml")
	}
	dir := t.TempDir()
	for _, folder := range []string{"secrets", "data"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{
		"toprelay.yaml": text, "secrets/app-secret": "not-a-real-secret", "secrets/session": "not-a-real-session",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := config.Load(config.Options{Path: filepath.Join(dir, "toprelay.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(known); err != nil {
		t.Error(err)
	}
	if c.Kafka.ResultsTopic == "" {
		t.Error("the README speaks of results, and its configuration has no topic for them")
	}
}

// TestBlocksOfConfiguration loads every YAML block of the documents that is a configuration.
func TestBlocksOfConfiguration(t *testing.T) {
	keys := configuration(t)
	top := regexp.MustCompile(`(?m)^(\w+):`)
	for _, f := range documents(t) {
		for _, b := range f.Blocks() {
			m := top.FindStringSubmatch(b.Text)
			if b.Language != "yaml" || m == nil || keys.Properties[m[1]] == nil {
				continue
			}
			path := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(path, []byte(b.Text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := config.Load(config.Options{Path: path}); err != nil {
				t.Errorf("%s, block at line %d: %v", f.Path, b.Line, err)
			}
		}
	}
}
