package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/check"
)

// TestCheckAllWell looks at a broker and a simulator as the commands start them.
func TestCheckAllWell(t *testing.T) {
	t.Parallel()
	addr := startBroker(t, nil)
	if code, _, stderr := worker(t, "", "topics", "create", "--brokers", addr, "--partitions", "2"); code != exitOK {
		t.Fatalf("topics create: exit code %d: %s", code, stderr)
	}
	run, announced := startSimulator(t)
	defer run.end(t)
	dir := t.TempDir()
	for _, name := range []string{"app-secret", "session"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+"-not-real"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "toprelay.yaml")
	text := `
top:
  accounts: {default: {app_key: "12345678", app_secret_file: app-secret, session_file: session}}
  gateway: ` + announced["top"] + `
qimen: {outbound: {gateway: "` + announced["qimen"] + `", target_app_key: "87654321"}}
kafka: {brokers: ["` + addr + `"]}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := worker(t, "", "check", "--config", path)
	if code != exitOK || stderr != "" || strings.Count(stdout, "✓") != strings.Count(stdout, "\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}

	// One topic is away: the exit code is that of run.
	code, stdout, stderr = worker(t, "", "check", "--config", path, "--set", "kafka.results_topic=top.results")
	if code != exitUnreachable || !strings.Contains(stdout, "✗ topics         missing: top.results; run `worker topics create`") || !strings.Contains(stderr, "1 of ") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	// A clean report for programs.
	code, stdout, _ = worker(t, "", "check", "--config", path, "-o", "json")
	var report struct {
		OK       bool
		Findings []check.Finding
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil || code != exitOK || !report.OK || len(report.Findings) < len(check.Names()) {
		t.Errorf("exit code %d, %v\n%s", code, err, stdout)
	}
	if code, body := simulatorGet(t, announced["calls"]); code != http.StatusOK || strings.Contains(body, `"seq"`) {
		t.Errorf("the check made calls: %s", body)
	}
}

func TestCheckRunning(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		body   string
		format string
		code   int
		stdout string
	}{
		{200, `{"ready":true,"missing":[]}`, "table", exitOK, "✓ ready  http://127.0.0.1:"},
		{200, `{"ready":true,"missing":[]}`, "json", exitOK, `{"ready":true,"missing":[]}`},
		{503, `{"ready":false,"missing":[{"name":"group","error":"draining"},{"name":"store","error":"full"}]}`, "table", exitFailed, "✗ group  draining\n✗ store  full\n"},
		{503, `{"ready":false,"missing":[{"name":"group","error":"draining"}]}`, "json", exitFailed, `{"ready":false,"missing":[{"name":"group","error":"draining"}]}`},
		{404, `404 page not found`, "table", exitFailed, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				t.Errorf("asked for %s", r.URL)
			}
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		code, stdout, stderr := worker(t, "", "check", "--running", "--url", s.URL, "-o", test.format)
		if code != test.code || !strings.Contains(stdout, test.stdout) || (code != exitOK) != (stderr != "") {
			t.Errorf("HTTP %d: exit code %d\n%s%s", test.status, code, stdout, stderr)
		}
		s.Close()
	}
}
