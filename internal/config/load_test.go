package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// accounts is the least that a file must have.
const accounts = "top: {accounts: {default: {app_key: '1', app_secret_file: /run/secret}}}\n"

// loadText loads text as the file /etc/toprelay/c.yaml.
func loadText(t *testing.T, text string, o Options) *Config {
	t.Helper()
	c, err := load("/etc/toprelay/c.yaml", []byte(text), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problemsOf loads text as the file c.yaml and returns its problems, one line each.
func problemsOf(t *testing.T, text string, o Options) []string {
	t.Helper()
	_, err := load("c.yaml", []byte(text), o)
	return lines(t, err)
}

func lines(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var p Problems
	if !errors.As(err, &p) {
		t.Fatalf("the error is a %T and not Problems: %v", err, err)
	}
	var out []string
	for _, one := range p {
		out = append(out, one.String())
	}
	return out
}

// sameLines compares problems in any order; a wanted line that ends in "..." is a beginning.
func sameLines(t *testing.T, got, want []string) {
	t.Helper()
	left := append([]string(nil), got...)
next:
	for _, w := range want {
		for i, g := range left {
			if begin, ok := strings.CutSuffix(w, "..."); g == w || (ok && strings.HasPrefix(g, begin)) {
				left = append(left[:i], left[i+1:]...)
				continue next
			}
		}
		t.Errorf("missing: %s", w)
	}
	for _, g := range left {
		t.Errorf("not expected: %s", g)
	}
}

func TestDefaultsAreThoseOfTheContract(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, want := loadText(t, string(text), Options{}), loadText(t, accounts, Options{})
	if a := got.Top.Accounts["default"]; a.AppKey != "12345678" || a.SessionFile != "/etc/toprelay/secrets/session" {
		t.Errorf("account: %+v", a)
	}
	got.Top.Accounts, want.Top.Accounts, got.sources, want.sources = nil, nil, nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the contract's file gives\n%s\nthe defaults are\n%s", got.YAML(), want.YAML())
	}
}

func TestLaterLayersWin(t *testing.T) {
	file := accounts + "kafka: {client_id: file, group_id: file, brokers: ['file:1']}\n"
	env := []string{"TOPRELAY_KAFKA__GROUP_ID=env", "TOPRELAY_KAFKA__BROKERS=env:1, env:2", "TOPRELAY_RETRY__MAX_ATTEMPTS=3", "PATH=/bin"}
	c := loadText(t, file, Options{Env: env, Sets: []string{"kafka.brokers=flag:1", "log.level=debug", "log.level=warn"}})
	for _, tt := range []struct{ key, got, want, source string }{
		{"kafka.session_timeout", c.Kafka.SessionTimeout.String(), "10s", "default"},
		{"kafka.client_id", c.Kafka.ClientID, "file", "/etc/toprelay/c.yaml:2:9"},
		{"kafka.group_id", c.Kafka.GroupID, "env", "TOPRELAY_KAFKA__GROUP_ID"},
		{"kafka.brokers", strings.Join(c.Kafka.Brokers, " "), "flag:1", "--set kafka.brokers"},
		{"log.level", c.Log.Level, "warn", "--set log.level"},
	} {
		if tt.got != tt.want || c.Source(tt.key) != tt.source {
			t.Errorf("%s = %q from %q, want %q from %q", tt.key, tt.got, c.Source(tt.key), tt.want, tt.source)
		}
	}
	if c.Retry.MaxAttempts != 3 {
		t.Errorf("retry.max_attempts = %d", c.Retry.MaxAttempts)
	}
}

func TestMethodsTakeWhatTheyDoNotSetFromTheGeneralKeys(t *testing.T) {
	c := loadText(t, accounts+`methods:
  a.b:
    timeout: 3s
    rate_limit: {per_second: 0}
    retry: {max_attempts: 2}
`, Options{Env: []string{"TOPRELAY_TOP__RATE_LIMIT__BURST=7", "TOPRELAY_RETRY__MULTIPLIER=3"}, Sets: []string{"top.sign_method=md5"}})
	m := c.Method("a.b")
	if m.Timeout != 3*time.Second || m.RateLimit != (RateLimit{0, 7, 0}) || m.SignMethod != "md5" ||
		m.Retry.MaxAttempts != 2 || m.Retry.Multiplier != 3 || m.Retry.MaxInterval != time.Minute {
		t.Errorf("a.b: %+v", m)
	}
	other := c.Method("c.d")
	if other.Timeout != 15*time.Second || other.RateLimit.PerSecond != 50 || other.Retry.MaxAttempts != 8 || other.SignMethod != "md5" {
		t.Errorf("c.d: %+v", other)
	}
	if c.LongestTimeout() != 15*time.Second {
		t.Errorf("longest time-out: %s", c.LongestTimeout())
	}
}

func TestTypesHaveDefaults(t *testing.T) {
	c := loadText(t, accounts+"types: {a.v1: {superseded: send}}\n", Options{})
	for _, tt := range []struct {
		name string
		want Type
	}{
		{"a.v1", Type{OnDeadLetter: "continue", Superseded: "send", UnknownFields: "reject"}},
		{"b.v1", Type{OnDeadLetter: "continue", UnknownFields: "reject"}},
	} {
		if got := c.Type(tt.name); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestPathsStartAtTheFolderOfTheFile(t *testing.T) {
	c := loadText(t, `
top: {accounts: {default: {app_key: '1', app_secret_file: secrets/a, session_file: /abs/s}}}
kafka: {tls: {ca_file: ca.pem}}
schemas_dir: ../schemas
`, Options{})
	for _, tt := range []struct{ got, want string }{
		{c.Top.Accounts["default"].AppSecretFile, "/etc/toprelay/secrets/a"},
		{c.Top.Accounts["default"].SessionFile, "/abs/s"},
		{c.Kafka.TLS.CAFile, "/etc/toprelay/ca.pem"},
		{c.Kafka.TLS.CertFile, ""},
		{c.SchemasDir, "/etc/schemas"},
		{c.Dedup.Path, "/etc/toprelay/data/toprelay.db"},
	} {
		if tt.got != tt.want {
			t.Errorf("path %q, want %q", tt.got, tt.want)
		}
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if got := Default().Dedup.Path; got != filepath.Join(wd, "data/toprelay.db") {
		t.Errorf("without a file: %q", got)
	}
}

func TestLoadReadsTheFile(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	if err := os.WriteFile(good, []byte("\uFEFF"+accounts+"log: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{Path: good}, {Env: []string{"TOPRELAY_CONFIG=" + good}}, {Path: good, Env: []string{"TOPRELAY_CONFIG=/absent"}}} {
		c, err := Load(o)
		if err != nil || c.Log.Level != "debug" {
			t.Errorf("%+v: %+v, %v", o, c, err)
		}
	}
	if c, err := Load(Options{}); err != nil || c.Log.Level != "info" {
		t.Errorf("without a file: %v", err)
	}
	large := filepath.Join(dir, "large.yaml")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{filepath.Join(dir, "absent"): "no such file", dir: "is a directory", large: "more than 1 MiB"} {
		if _, err := Load(Options{Path: path}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestAnchorsAliasesAndMergeKeys(t *testing.T) {
	c := loadText(t, `
top:
  timeout: &short 5s
  accounts:
    default: &base {app_key: '1', app_secret_file: /a, session_file: /s}
    shop-a:
      <<: *base
      app_key: "2"
    shop-b: *base
methods:
  a.b: {timeout: *short}
`, Options{})
	want := map[string]Account{
		"default": {"1", "/a", "/s"}, "shop-a": {"2", "/a", "/s"}, "shop-b": {"1", "/a", "/s"},
	}
	if !reflect.DeepEqual(c.Top.Accounts, want) || c.Methods["a.b"].Timeout != 5*time.Second {
		t.Errorf("accounts %+v, method %+v", c.Top.Accounts, c.Methods["a.b"])
	}
}

func TestTopics(t *testing.T) {
	c := loadText(t, accounts+`kafka:
  topics:
    - one
    - {name: two}
    - name: three
      plain: {type: t.v1, source: /s, id: [/a~1b, /c]}
`, Options{})
	want := []Topic{{Name: "one"}, {Name: "two"}, {Name: "three", Plain: &Plain{"t.v1", "/s", []string{"/a~1b", "/c"}}}}
	if !reflect.DeepEqual(c.Kafka.Topics, want) {
		t.Errorf("%+v", c.Kafka.Topics)
	}
	c = loadText(t, accounts, Options{Env: []string{"TOPRELAY_KAFKA__TOPICS=a,b"}})
	if !reflect.DeepEqual(c.Kafka.Topics, []Topic{{Name: "a"}, {Name: "b"}}) {
		t.Errorf("from the environment: %+v", c.Kafka.Topics)
	}
}

func TestOptionalSections(t *testing.T) {
	for text, want := range map[string][2]bool{
		"kafka: {}":                        {false, false},
		"kafka: {tls: {}}":                 {true, false},
		"kafka:\n  tls:\n  # ca_file: x\n": {false, false},
		"kafka: {sasl: {mechanism: plain, username: u, password_file: /p}}": {false, true},
	} {
		c := loadText(t, accounts+text+"\n", Options{})
		if got := [2]bool{c.Kafka.TLS != nil, c.Kafka.SASL != nil}; got != want {
			t.Errorf("%s: TLS, SASL present: %v, want %v", text, got, want)
		}
	}
	c := loadText(t, accounts, Options{Env: []string{"TOPRELAY_DEDUP__REDIS__DB=3"}})
	if c.Dedup.Redis == nil || c.Dedup.Redis.DB != 3 || c.Dedup.Redis.Prefix != "toprelay:" {
		t.Errorf("redis: %+v", c.Dedup.Redis)
	}
}
