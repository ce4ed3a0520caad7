package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// How a start ends that cannot succeed: the exit code tells an operator's tools whether waiting may help, and the line
// names the key and where it stands. All of stderr is the log, in its format.
func TestRunCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{"secret": "test-secret-not-real", "session": "test-session-not-real"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const good = "top: {accounts: {default: {app_key: \"1\", app_secret_file: secret, session_file: session}}}\ndedup: {store: memory}\n"
	for _, tt := range []struct {
		name, config string
		code         int
		says         []string // a line each
	}{
		{"an address that is taken", good + "ops: {listen: \"" + taken.Addr().String() + "\"}\n", exitFailed,
			[]string{"ops.listen: listen tcp " + taken.Addr().String()}},
		{"in text", good + "log: {format: text}\nops: {listen: \"" + taken.Addr().String() + "\"}\n", exitFailed,
			[]string{"level=ERROR msg=\"ended by an error\" error=\"ops.listen: listen tcp " + taken.Addr().String()}},
		{"two problems", good + "retry: {multiplier: 0, max_attempts: 0}\n", exitConfig, []string{"c.yaml:3:21: retry.multiplier", "c.yaml:3:38: retry.max_attempts"}},
		{"what cannot be read", good + "nonsense: 1\n", exitConfig, []string{"c.yaml:3:1: nonsense"}},
		{"schemas that are not there", good + "schemas_dir: nowhere\n", exitConfig,
			[]string{"c.yaml:3:1: schemas_dir: read the folder " + filepath.Join(dir, "nowhere")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, "c.yaml")
			if err := os.WriteFile(path, []byte(tt.config), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := worker(t, "", "run", "--config", path)
			var errors []string
			for line := range strings.Lines(stderr) {
				var entry struct{ Level string }
				inText := strings.Contains(tt.config, "format: text")
				if err := json.Unmarshal([]byte(line), &entry); err != nil && !inText {
					t.Errorf("a line that is no JSON: %s", line)
				}
				if entry.Level == "ERROR" || inText && strings.Contains(line, "level=ERROR") {
					errors = append(errors, line)
				}
			}
			if code != tt.code || len(errors) != len(tt.says) {
				t.Fatalf("exit code %d, want %d, and %d lines with %q: %s", code, tt.code, len(tt.says), tt.says, stderr)
			}
			for i, line := range errors {
				if !strings.Contains(line, tt.says[i]) || !strings.Contains(line, fmt.Sprint(tt.code)) {
					t.Errorf("want %q and the exit code in %s", tt.says[i], line)
				}
			}
		})
	}
}
