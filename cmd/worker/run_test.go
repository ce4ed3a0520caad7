package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// How a start ends that cannot succeed: the exit code tells an operator's tools whether waiting may help, and the line
// names the key and where it stands.
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
		says         string
	}{
		{"an address that is taken", good + "ops: {listen: \"" + taken.Addr().String() + "\"}\n", exitFailed,
			"worker run: ops.listen: listen tcp " + taken.Addr().String()},
		{"schemas that are not there", good + "schemas_dir: nowhere\n", exitConfig,
			"c.yaml:3:1: schemas_dir: read the folder " + filepath.Join(dir, "nowhere")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(dir, "c.yaml")
			if err := os.WriteFile(path, []byte(tt.config), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := worker(t, "", "run", "--config", path)
			if code != tt.code || !strings.Contains(stderr, tt.says) {
				t.Errorf("exit code %d, want %d, and words with %q: %s", code, tt.code, tt.says, stderr)
			}
		})
	}
}
