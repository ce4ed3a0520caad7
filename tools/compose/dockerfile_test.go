package compose

import (
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestVersionOfGo compares the image that builds with go.mod.
func TestVersionOfGo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repo, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(text)
	if wanted == nil {
		t.Fatal("go.mod names no version of Go")
	}
	foreign := 0
	for _, m := range built {
		if m.Base == "scratch" || stageNamed(m.Base) {
			continue
		}
		foreign++
		if version, ok := strings.CutPrefix(m.Base, "golang:"); !ok || !strings.HasPrefix(version, string(wanted[1])+"-") {
			t.Errorf("stage %s is from %s, want golang:%s-…", m.Name, m.Base, wanted[1])
		}
	}
	if foreign != 1 {
		t.Errorf("%d stages are from images of others, want the one that builds", foreign)
	}
}

func stageNamed(name string) bool {
	for _, m := range built {
		if m.Name == name {
			return true
		}
	}
	return false
}

// TestProductionImage looks at what `docker build .` makes: the last stage.
func TestProductionImage(t *testing.T) {
	m := built[len(built)-1]
	if m.Name != "worker" {
		t.Errorf("the last stage is %s, want worker", m.Name)
	}
	var files []string
	err := filepath.WalkDir(m.Root, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, m.Root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(files, " "); got != "/etc/ssl/certs/ca-certificates.crt /usr/local/bin/worker" {
		t.Errorf("the image holds %s", got)
	}
	if m.User != "65532:65532" || len(m.Entrypoint) != 1 || m.Entrypoint[0] != "/usr/local/bin/worker" || strings.Join(m.Cmd, " ") != "run" {
		t.Errorf("user %q, entrypoint %q, command %q", m.User, m.Entrypoint, m.Cmd)
	}
	for _, problem := range healthCommand(m.Health, m) {
		t.Errorf("HEALTHCHECK: %s", problem)
	}
	if m.HealthTimeout <= checkTimeout {
		t.Errorf("HEALTHCHECK: the time-out is %s, want more than %s", m.HealthTimeout, checkTimeout)
	}

	// The one place that is written to, where nothing else is mounted.
	const data = "/var/lib/toprelay"
	info, err := os.Stat(m.at(data))
	if err != nil || info.Mode().Perm() != 0o700 || m.Owners[data] != m.User || len(m.Volumes) != 1 || m.Volumes[0] != data || m.Workdir != data {
		t.Errorf("%s: %v, %v, owner %q, volumes %v, working directory %s", data, info, err, m.Owners[data], m.Volumes, m.Workdir)
	}
	if _, own := m.Owners["/usr/local/bin/worker"]; own {
		t.Error("the user of the container owns the binary, and could change it")
	}
}

// TestBinary looks at the file that the build makes: static, without the paths of this machine, and of the version given.
func TestBinary(t *testing.T) {
	path := image(t, "worker").at("/usr/local/bin/worker")
	f, err := elf.Open(path)
	if err != nil {
		t.Fatalf("%v: this test needs Linux, as the image does", err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the binary is not static: it would not start from scratch")
		}
	}
	out, err := exec.CommandContext(t.Context(), path, "version", "-o", "json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version struct{ Version string }
	if err := json.Unmarshal(out, &version); err != nil || version.Version != testVersion {
		t.Errorf("got %s, want the version %s of the build argument", out, testVersion)
	}
}

// TestContext looks at what leaves the machine at a build.
func TestContext(t *testing.T) {
	source := image(t, "build").at("/src")
	for _, name := range []string{"go.mod", "cmd/worker/main.go", "schemas/asyncapi.yaml", "deploy/compose/secrets/session"} {
		if _, err := os.Stat(filepath.Join(source, name)); err != nil {
			t.Errorf("the build lacks %s", name)
		}
	}
	entries, err := os.ReadDir(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.Contains(" cmd deploy go.mod go.sum internal schemas ", " "+e.Name()+" ") {
			t.Errorf("the build is given %s, which it does not need", e.Name())
		}
	}

	// Secrets and data of whoever builds stay where they are.
	dir, to := t.TempDir(), t.TempDir()
	if err := copyFile(filepath.Join(repo, ".dockerignore"), filepath.Join(dir, ".dockerignore")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"secrets/app-secret", "data/toprelay.db", ".env", "toprelay.yaml", "bin/worker", "internal/x/x_test.go", "internal/x/testdata/y", "tools/go.mod", "internal/x/x.go"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyContext(dir, to); err != nil {
		t.Fatal(err)
	}
	var sent []string
	err = copyTree(to, t.TempDir(), func(path string) { sent = append(sent, path) })
	if err != nil || strings.Join(sent, " ") != "internal internal/x internal/x/x.go" {
		t.Errorf("the build is given %v, %v", sent, err)
	}
}

// TestDevelopmentSecrets are files that the worker of the container can read and nobody else.
func TestDevelopmentSecrets(t *testing.T) {
	m := image(t, "development")
	for _, name := range []string{"app-secret", "session", "ops-tokens"} {
		path := "/etc/toprelay/secrets/" + name
		info, err := os.Stat(m.at(path))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode().Perm() != 0o400 || m.Owners[path] != m.User {
			t.Errorf("%s has mode %04o and owner %q", path, info.Mode().Perm(), m.Owners[path])
		}
	}
}
