package secret_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/secret"
)

const canary = "canary-3f9d1c"

// write puts content into a file with a mode, whatever the umask.
func write(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// age sets the time of the last change back, so that the file counts as settled.
func age(t *testing.T, path string, by time.Duration) {
	t.Helper()
	then := time.Now().Add(-by).Truncate(time.Second)
	if err := os.Chtimes(path, then, then); err != nil {
		t.Fatal(err)
	}
}

// open opens a secret that is good.
func open(t *testing.T, path string) *secret.File {
	t.Helper()
	f, err := secret.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// refresh refreshes and compares.
func refresh(t *testing.T, f *secret.File, wantChanged bool, wantValue string) {
	t.Helper()
	changed, err := f.Refresh()
	if err != nil || changed != wantChanged || f.Value() != wantValue {
		t.Fatalf("changed %v, value %q, error %v; want %v, %q", changed, f.Value(), err, wantChanged, wantValue)
	}
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name    string
		content string
		mode    fs.FileMode
		value   string
		err     string
	}{
		{"plain", "s3cret", 0o600, "s3cret", ""},
		{"read only", "s3cret", 0o400, "s3cret", ""},
		{"line end", "s3cret\n", 0o600, "s3cret", ""},
		{"white space at the ends only", "\r\n\t s3 cret \u3000\r\n", 0o600, "s3 cret", ""},
		{"largest", strings.Repeat("x", 64<<10), 0o600, strings.Repeat("x", 64<<10), ""},
		{"empty", "", 0o600, "", "empty"},
		{"blank", " \n", 0o600, "", "empty"},
		{"too big", canary + strings.Repeat("x", 64<<10), 0o600, "", "bigger than 65536 bytes"},
		{"group reads", canary, 0o640, canary, ""},
		{"as Kubernetes mounts it", canary, 0o440, canary, ""},
		{"group reads and writes", canary, 0o660, "", "mode 0660 lets others in: run chmod 600"},
		{"others read", canary, 0o604, "", "run chmod 600"},
		{"everybody reads", canary, 0o644, "", "run chmod 600"},
		{"group writes", canary, 0o620, "", "run chmod 600"},
		{"others execute", canary, 0o601, "", "run chmod 600"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			write(t, path, tt.content, tt.mode)
			f, err := secret.Open(path)
			if tt.err != "" {
				if err == nil || f != nil {
					t.Fatalf("no error, value %q", f.Value())
				}
				if !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), canary) {
					t.Errorf("error %q", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if f.Value() != tt.value || f.Path() != path {
				t.Errorf("value %q, path %q", f.Value(), f.Path())
			}
		})
	}
}

func TestOpenWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if _, err := secret.Open(missing); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), missing) != 1 || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("missing: %v", err)
	}
	private := filepath.Join(dir, "directory")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Open(private); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
	pipe := filepath.Join(dir, "pipe") // opening it would wait for a writer for ever
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Open(pipe); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("pipe: %v", err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(missing, dangling); err != nil {
		t.Fatal(err)
	}
	if _, err := secret.Open(dangling); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dangling link: %v", err)
	}
}

func TestRefreshSeesChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, "one", 0o600)
	age(t, path, time.Hour)
	f := open(t, path)
	refresh(t, f, false, "one")

	write(t, path, "three", 0o600) // another size
	age(t, path, time.Hour)
	refresh(t, f, true, "three")
	refresh(t, f, false, "three")

	write(t, path, "seven", 0o600) // same size, another mtime
	age(t, path, time.Minute)
	refresh(t, f, true, "seven")

	age(t, path, 30*time.Second) // touched, same content
	refresh(t, f, false, "seven")

	beside := path + ".new" // same size, same mtime, another inode
	write(t, beside, "eight", 0o600)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(beside, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(beside, path); err != nil {
		t.Fatal(err)
	}
	refresh(t, f, true, "eight")
}

// Two writes within one tick of the file system's clock have one mtime, so a young file is read again.
func TestRefreshSeesQuickRewrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, "one", 0o600)
	f := open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"two", "six", "ten"} { // same inode, same size, and the same mtime
		write(t, path, value, 0o600)
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		refresh(t, f, true, value)
	}
}

// A settled file costs one stat: what a stat cannot see is not read.
func TestRefreshReadsSettledFilesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, "one", 0o600)
	age(t, path, time.Hour)
	f := open(t, path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "two", 0o600)
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	refresh(t, f, false, "one")
}

// Kubernetes puts a new directory beside the old one and renames a link over the link to it.
func TestRefreshSeesSwappedLinks(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, version := range []string{"v1", "v2"} {
		must(os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "secret"), version, 0o400)
		age(t, filepath.Join(dir, version, "secret"), time.Hour)
	}
	must(os.Symlink("v1", filepath.Join(dir, "..data")))
	must(os.Symlink(filepath.Join("..data", "secret"), filepath.Join(dir, "secret")))
	f := open(t, filepath.Join(dir, "secret"))
	refresh(t, f, false, "v1")
	must(os.Symlink("v2", filepath.Join(dir, "..data_tmp")))
	must(os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	refresh(t, f, true, "v2")
	must(os.RemoveAll(filepath.Join(dir, "v2")))
	if _, err := f.Refresh(); !errors.Is(err, fs.ErrNotExist) || f.Value() != "v2" {
		t.Errorf("value %q, error %v", f.Value(), err)
	}
}

func TestRefreshKeepsTheOldValue(t *testing.T) {
	spoil := []struct {
		name string
		do   func(t *testing.T, path string)
		err  string
	}{
		{"vanished", func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, "no such file"},
		{"emptied", func(t *testing.T, path string) { write(t, path, "", 0o600) }, "empty"},
		{"blanked", func(t *testing.T, path string) { write(t, path, "\n\n", 0o600) }, "empty"},
		{"opened to others, otherwise as it was", func(t *testing.T, path string) {
			if err := os.Chmod(path, 0o604); err != nil {
				t.Fatal(err)
			}
		}, "chmod 600"},
		{"written anew for all to read", func(t *testing.T, path string) { write(t, path, canary, 0o644) }, "chmod 600"},
		{"grown too big", func(t *testing.T, path string) { write(t, path, canary+strings.Repeat("x", 70000), 0o600) }, "bigger"},
	}
	for _, tt := range spoil {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			write(t, path, "old", 0o600)
			age(t, path, time.Hour)
			f := open(t, path)
			tt.do(t, path)
			for range 2 { // as long as it lasts
				changed, err := f.Refresh()
				if err == nil || changed || f.Value() != "old" {
					t.Fatalf("changed %v, value %q, error %v", changed, f.Value(), err)
				}
				if !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), canary) {
					t.Errorf("error %q", err)
				}
			}
			write(t, path, "new", 0o600)
			refresh(t, f, true, "new")
		})
	}
	t.Run("closed again without a change", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "secret")
		write(t, path, "old", 0o600)
		age(t, path, time.Hour)
		f := open(t, path)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Refresh(); err == nil {
			t.Fatal("no error")
		}
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		refresh(t, f, false, "old")
	})
}

func TestConcurrentUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	write(t, path, "a", 0o600)
	f := open(t, path)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if v := f.Value(); strings.Trim(v, "ab") != "" || v == "" {
					t.Errorf("value %q", v)
					return
				}
				if _, err := f.Refresh(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 50 {
		write(t, path+".new", strings.Repeat("ab", i+1), 0o600)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	if _, err := f.Refresh(); err != nil || f.Value() != strings.Repeat("ab", 50) {
		t.Errorf("value %q, error %v", f.Value(), err)
	}
}
