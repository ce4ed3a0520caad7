package config

import (
	"strings"
	"testing"
)

// FuzzLoad feeds any file, variable and flag: Load reports or accepts, and what it accepts can be printed and loaded again.
func FuzzLoad(f *testing.F) {
	f.Add(accounts, "TOPRELAY_KAFKA__BROKERS=a:1,b:2", "kafka.group_id=x")
	f.Add("retry: {multiplier: 1.5}\nconsumer: {max_event_bytes: 1KiB}\n", "TOPRELAY_TOP__ACCOUNTS__A__APP_KEY=1", "methods.a.b.timeout=1s")
	f.Add(accounts+"kafka: {topics: [a, {name: b, plain: {type: t, source: s, id: [/a]}}]}\n", "", "")
	f.Add("top: &a\n  <<: *a\n  accounts: {x: &y {app_key: 1}, z: *y}\n", "TOPRELAY_SCHEMAS_DIR=x", "types.a=1")
	f.Add("kafka:\n  ? brokers\n  : - a:1\n---\n%YAML 1.2\n", "TOPRELAY___=1", "=")
	f.Add("{\"kafka\": {\"brokers\": [\"a:1\"], \"client_id\": \"\\/\\ud83d\\ude00\"}}\n", "", "")
	f.Add("kafka: {brokers: [127.0.0.1:9092], client_id: 0x1F, group_id: 2026-01-02, results_topic: 'a\n", "", "")
	f.Fuzz(func(t *testing.T, file, variable, set string) {
		if len(file) > 1<<14 {
			return
		}
		c, err := load("c.yaml", []byte(file), Options{Env: strings.Split(variable, "\n"), Sets: strings.Split(set, "\n")})
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		again, err := load("c.yaml", c.YAML(), Options{})
		if err != nil {
			t.Fatalf("%v in\n%s", err, c.YAML())
		}
		if !same(c, again) {
			t.Errorf("printed\n%s\nread again\n%s", c.YAML(), again.YAML())
		}
	})
}
