package check

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what is asked in these tests; nothing waits so long where all is well.
const patience = 20 * time.Second

// place is a folder with a configuration and its secrets.
type place struct {
	t   *testing.T
	dir string
}

func newPlace(t *testing.T) place {
	t.Helper()
	p := place{t, t.TempDir()}
	p.write("app-secret", "test-secret-not-real", 0o600)
	p.write("session", "test-session-not-real", 0o600)
	return p
}

func (p place) write(name, text string, mode os.FileMode) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		p.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// load is a configuration that is good but for the sets.
func (p place) load(sets ...string) *config.Config {
	p.t.Helper()
	path := p.write("toprelay.yaml", `
top:
  accounts: {default: {app_key: "12345678", app_secret_file: app-secret, session_file: session}}
dedup: {path: data/ledger.db}
`, 0o644)
	cfg, err := config.Load(config.Options{Path: path, Sets: sets})
	if err != nil {
		p.t.Fatal(err)
	}
	return cfg
}

// look makes some of the checks.
func look(t *testing.T, cfg *config.Config, only ...string) []Finding {
	t.Helper()
	return Run(t.Context(), Options{Config: cfg, Connect: connectTo(cfg), Timeout: patience, Only: only})
}

// connectTo makes a client as the commands do.
func connectTo(cfg *config.Config) func() (*broker.Client, error) {
	return func() (*broker.Client, error) {
		k := cfg.Kafka
		o := broker.Config{Brokers: k.Brokers}
		if k.TLS != nil {
			encryption, err := k.TLS.ClientConfig()
			if err != nil {
				return nil, err
			}
			o.TLS = encryption
		}
		if k.SASL != nil {
			password, err := secret.Open(k.SASL.PasswordFile)
			if err != nil {
				return nil, err
			}
			o.SASL = &broker.SASL{Mechanism: k.SASL.Mechanism, Username: k.SASL.Username, Password: password.Value}
		}
		return broker.NewClient(o)
	}
}

// want compares findings, each written as "STATUS CHECK TEXT", where TEXT is a part of the message and advice. Causes
// stand behind the status: failed/unreachable.
func want(t *testing.T, got []Finding, lines ...string) {
	t.Helper()
	all := make([]string, len(got))
	for i, f := range got {
		status := string(f.Status)
		if f.Cause != "" {
			status += "/" + string(f.Cause)
		}
		all[i] = fmt.Sprintf("%s %s %s; %s", status, f.Check, f.Message, f.Advice)
	}
	if len(got) != len(lines) {
		t.Fatalf("got %d findings, want %d:\n%s", len(got), len(lines), strings.Join(all, "\n"))
	}
	for i, line := range lines {
		status, rest, _ := strings.Cut(line, " ")
		name, text, _ := strings.Cut(rest, " ")
		if !strings.HasPrefix(all[i], status+" "+name+" ") {
			t.Errorf("got %q, want %q", all[i], line)
		}
		for part := range strings.SplitSeq(text, " … ") {
			if !strings.Contains(all[i], part) {
				t.Errorf("got %q, want %q in it", all[i], part)
			}
		}
		if strings.Contains(all[i], "not-real") {
			t.Errorf("a secret is shown: %q", all[i])
		}
	}
}

func TestWorst(t *testing.T) {
	fault, away, bad := Finding{Cause: Fault}, Finding{Cause: Unreachable}, Finding{Cause: BadConfiguration}
	for _, test := range []struct {
		findings []Finding
		want     Cause
	}{
		{nil, ""},
		{[]Finding{{Status: OK}, {Status: Warning}, {Status: Skipped}}, ""},
		{[]Finding{{}, fault}, Fault},
		{[]Finding{fault, away}, Unreachable},
		{[]Finding{fault, away, bad, {}}, BadConfiguration},
	} {
		if got := Worst(test.findings); got != test.want {
			t.Errorf("%v: got %q, want %q", test.findings, got, test.want)
		}
	}
}

func TestNames(t *testing.T) {
	want := []string{"configuration", "files", "ledger", "kafka", "topics", "gateway", "qimen", "clock", "sessions"}
	if !slices.Equal(Names(), want) {
		t.Errorf("got %v", Names())
	}
}

// A run whose context has ended looks at nothing more.
func TestRunEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cfg := newPlace(t).load()
	if got := Run(ctx, Options{Config: cfg, Connect: connectTo(cfg)}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}
