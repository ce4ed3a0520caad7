package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/toprelay/worker/internal/dedup"
)

func TestLedger(t *testing.T) {
	p := newPlace(t)
	cfg := p.load()
	path := cfg.Dedup.Path
	want(t, look(t, cfg, Ledger), "ok ledger ledger.db will be made")
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Errorf("the check made the folder: %v", err)
	}

	open, err := dedup.Open(t.Context(), dedup.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	want(t, look(t, cfg, Ledger), "ok ledger in use by a running worker (pid ")
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	before := files(t, filepath.Dir(path))
	want(t, look(t, cfg, Ledger), "ok ledger in use by nobody")
	if after := files(t, filepath.Dir(path)); len(after) != len(before) {
		t.Errorf("the check left %v, before it were %v", after, before)
	}
	open, err = dedup.Open(t.Context(), dedup.Options{Path: path, LockWait: -1}) // it holds nothing
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, look(t, p.load("dedup.store=memory"), Ledger), "warning ledger in memory")
	want(t, look(t, p.load("dedup.store=redis"), Ledger), "skipped ledger")
}

func TestLedgerThatCannotBe(t *testing.T) {
	p := newPlace(t)
	p.write("text", "this is no ledger, and long enough to be one", 0o600)
	want(t, look(t, p.load("dedup.path="+p.dir+"/text"), Ledger), "failed/fault ledger text is no ledger … another dedup.path")
	want(t, look(t, p.load("dedup.path="+p.dir+"/text/ledger.db"), Ledger), "failed/fault ledger text is no folder")
	want(t, look(t, p.load("dedup.path="+p.dir), Ledger), "failed/fault ledger is a directory")
	// Nobody can make files there, root neither.
	want(t, look(t, p.load("dedup.path=/proc/toprelay/ledger.db"), Ledger), "failed/fault ledger no file can be made in /proc")
	p.write("empty.db", "", 0o600)
	want(t, look(t, p.load("dedup.path="+p.dir+"/empty.db"), Ledger), "ok ledger 0 KiB")
}

func files(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}
