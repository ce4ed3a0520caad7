package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestPublishChecksAccountAndExpiry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "toprelay.yaml")
	if err := os.WriteFile(config, []byte("top: {accounts: {shop: {app_key: '1', app_secret_file: s}}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(members, data string) string {
		return `{"type":"top.workorder.sync.v1","source":"/wms/1","id":"1",` + members + `"data":` + data + `}`
	}
	past, ahead := `"expirytime":"2001-02-03T04:05:06Z",`, `"expirytime":"9001-02-03T04:05:06Z",`
	for name, test := range map[string]struct {
		line   string
		args   []string
		reason string // "" good
	}{
		"no account known":       {with(`"topaccount":"x",`, syncData("W")), nil, ""},
		"its account":            {with(`"topaccount":"shop",`, syncData("W")), []string{"--config", config}, ""},
		"another account":        {with(`"topaccount":"x",`, syncData("W")), []string{"--config", config}, "unknown_account"},
		"default is not there":   {with(``, syncData("W")), []string{"--config", config}, "unknown_account"},
		"account before expiry":  {with(past, syncData("W")), []string{"--config", config}, "unknown_account"},
		"expired":                {with(past, syncData("W")), nil, "expired"},
		"expired before data":    {with(past, `[]`), nil, "expired"},
		"not expired":            {with(ahead, syncData("W")), nil, ""},
		"expired and not looked": {with(past, syncData("W")), []string{"--no-validate"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, stdout, stderr := worker(t, test.line, append([]string{"publish", "-", "--dry-run", "-o", "json"}, test.args...)...)
			r := reportOf(t, stdout)
			switch {
			case test.reason == "" && r.Published != 1:
				t.Errorf("it is not good: %s", stderr)
			case test.reason != "" && (len(r.Problems) != 1 || r.Problems[0].Reason != test.reason):
				t.Errorf("got %s, want %s", stderr, test.reason)
			}
		})
	}
}

// Both commands say the same of each line, but for what depends on where and when an event arrives.
func TestValidateAgreesWithPublish(t *testing.T) {
	t.Parallel()
	lines := []string{
		goodEvent("1", "WO1"),
		`{"specversion":"1.0","topic":"t","key":null,"headers":{"a":null},"type":"top.workorder.sync.v1","source":"/wms/1","id":"2","data":` + syncData("WO2") + `}`,
		`{"specversion":"2.0","type":"top.workorder.sync.v1","source":"/wms/1","id":"3","data":` + syncData("WO3") + `}`,
		`{"type":"top.workorder.sync.v1","source":"/wms/1","id":"4","data":{"provider_order_code":"WO4"}}`,
		`{"key":7,"type":"top.workorder.sync.v1","source":"/wms/1","id":"5","data":` + syncData("WO5") + `}`,
		`{"type":"nobody.knows","source":"/wms/1","id":"6","data":{}}`,
		`{"type":"top.workorder.sync.v1","source":"/wms/1","data":` + syncData("WO7") + `}`,
		`{"type":`,
		`[]`,
	}
	input := strings.Join(lines, "\n")
	_, published, _ := worker(t, input, "publish", "-", "--dry-run", "-o", "json")
	_, validated, _ := worker(t, input, "schemas", "validate", "-", "-o", "json")
	p := reportOf(t, published)
	var v report
	if err := json.Unmarshal([]byte(validated), &v); err != nil {
		t.Fatalf("%v: %s", err, validated)
	}
	if p.Published != 2 || v.Good != 2 || p.File != v.File || !slices.Equal(p.Problems, v.Problems) {
		t.Errorf("publish says %s\nvalidate says %s", published, validated)
	}
}
