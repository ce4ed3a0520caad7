package dedup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/consumer"
)

// filled is a closed store with some rows.
func filled(t *testing.T) string {
	t.Helper()
	s := openAt(t, ledgerPath(t), Options{})
	must(t, callers(64, 500, func(i int) error { return benchCycle(t.Context(), s, benchRequest(i)) }))
	must(t, s.Close())
	return s.path
}

// edit changes a closed store with plain SQL.
func edit(t *testing.T, path, sql string) {
	t.Helper()
	c, err := dial(t.Context(), path, func(string) error { return nil })
	must(t, err)
	must(t, c.exec(sql))
	must(t, c.close())
}

// TestOpenRefuses: what cannot be a ledger of this version is left alone, and the error says what to do.
func TestOpenRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		make func(t *testing.T) string
		says []string
	}{
		"no path": {func(*testing.T) string { return "" }, []string{"dedup.path"}},
		"a text file": {func(t *testing.T) string {
			path := ledgerPath(t)
			must(t, os.WriteFile(path, bytes.Repeat([]byte("no database\n"), 1000), 0o600))
			return path
		}, []string{"damaged or no database", "backup", "forgotten"}},
		"a file cut short": {func(t *testing.T) string {
			path := filled(t)
			info, err := os.Stat(path)
			must(t, err)
			must(t, os.Truncate(path, info.Size()/2))
			return path
		}, []string{"damaged", "backup"}},
		"a header cut short": {func(t *testing.T) string {
			path := filled(t)
			must(t, os.Truncate(path, 100))
			return path
		}, []string{"damaged", "backup"}},
		"a page overwritten": {func(t *testing.T) string {
			path := filled(t)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			must(t, err)
			noise := make([]byte, 3*pageSize)
			for i, r := 0, rand.New(rand.NewPCG(1, 2)); i < len(noise); i++ {
				noise[i] = byte(r.Uint32())
			}
			_, err = f.WriteAt(noise, 8*pageSize)
			must(t, errors.Join(err, f.Close()))
			return path
		}, []string{"damaged", "backup"}},
		"a database of another program": {func(t *testing.T) string {
			path := ledgerPath(t)
			edit(t, path, "CREATE TABLE orders (id INTEGER)")
			return path
		}, []string{"another program", "dedup.path"}},
		"a newer version": {func(t *testing.T) string {
			path := filled(t)
			edit(t, path, fmt.Sprintf("PRAGMA user_version=%d", len(migrations)+1))
			return path
		}, []string{fmt.Sprintf("schema version %d", len(migrations)+1), "newer worker"}},
		"a row of meta missing": {func(t *testing.T) string {
			path := filled(t)
			edit(t, path, "DELETE FROM meta")
			return path
		}, []string{"damaged"}},
		"a folder": {func(t *testing.T) string { return t.TempDir() }, []string{"dedup.path", "is a directory"}},
		"a folder below a file": {func(t *testing.T) string {
			path := ledgerPath(t)
			must(t, os.WriteFile(path, nil, 0o600))
			return filepath.Join(path, "ledger.db")
		}, []string{"dedup.path", "not a directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := test.make(t)
			before, _ := os.ReadFile(path)
			r := prometheus.NewRegistry()
			for range 2 { // the first refusal leaves nothing open or locked
				s, err := Open(t.Context(), Options{Path: path, LockWait: -1, Registerer: r})
				if err == nil {
					_ = s.Close()
					t.Fatal("opened")
				}
				if strings.Contains(err.Error(), "\n") || errors.Is(err, ErrBroken) {
					t.Errorf("the error has more than a line, or speaks of a restart: %v", err)
				}
				for _, words := range append(test.says, path) {
					if !strings.Contains(err.Error(), words) {
						t.Errorf("the error does not say %q: %v", words, err)
					}
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenMakesFolderAndPrivateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "led ger?#%.db")
	s := openAt(t, path, Options{})
	deliver(t, s, "a")
	for _, suffix := range []string{"", "-wal", ".lock"} {
		info, err := os.Stat(path + suffix)
		must(t, err)
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s may be read by others: %v", filepath.Base(path)+suffix, info.Mode())
		}
	}
	if s.bytes() < pageSize {
		t.Errorf("dedup_bytes is %v", s.bytes())
	}
}

func TestOpenIsLockedOut(t *testing.T) {
	path := ledgerPath(t)
	first := openAt(t, path, Options{})
	link := filepath.Join(t.TempDir(), "link.db")
	must(t, os.Symlink(path, link))
	for _, p := range []string{path, link} { // flock knows no process: a second descriptor is another owner
		_, err := Open(t.Context(), Options{Path: p, LockWait: time.Millisecond})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
			t.Errorf("Open of a locked file: %v, want ErrLocked with path and process", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, Options{Path: path}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with a cancelled context: %v", err)
	}
	// One that waits gets it when the first closes.
	opened := make(chan error, 1)
	go func() {
		s, err := Open(t.Context(), Options{Path: path})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	must(t, first.Close())
	must(t, <-opened)
}

func TestOpenTakesNoMetricsTwice(t *testing.T) {
	r := prometheus.NewRegistry()
	openAt(t, ledgerPath(t), Options{Registerer: r})
	path := ledgerPath(t)
	if _, err := Open(t.Context(), Options{Path: path, Registerer: r}); err == nil {
		t.Error("two stores on one registry")
	}
	openAt(t, path, Options{}) // and the failure has closed everything
}

func TestNegativeRetentionIsRefused(t *testing.T) {
	if _, err := Open(t.Context(), Options{Path: ledgerPath(t), Retention: -time.Hour}); err == nil || !strings.Contains(err.Error(), "dedup.retention") {
		t.Errorf("Open: %v", err)
	}
}

// TestMigration takes a file one version forward, in one step or not at all.
func TestMigration(t *testing.T) {
	path := filled(t)
	now := int64(len(migrations))
	next := append(append([]string{}, migrations...), "ALTER TABLE ledger ADD COLUMN more TEXT; CREATE TABLE held (key TEXT PRIMARY KEY)")
	for _, test := range []struct {
		name    string
		seams   seams
		version int64
		fails   bool
	}{
		{"a crash in the middle", seams{migrations: next, fault: func(step string) error {
			if step == "migrate" {
				return errors.New("crash")
			}
			return nil
		}}, now, true},
		{"an error in the middle", seams{migrations: append(append([]string{}, migrations...), next[now]+"; CREATE TABLE ledger (x)")}, now, true},
		{"all of it", seams{migrations: next}, now + 1, false},
		{"again", seams{migrations: next}, now + 1, false},
		{"back to the old program", seams{}, now + 1, true},
	} {
		s, err := Open(t.Context(), Options{Path: path, LockWait: -1, seams: test.seams})
		if (err != nil) != test.fails {
			t.Fatalf("%s: %v", test.name, err)
		}
		if err == nil {
			mustClaim(t, s, benchRequest(7), consumer.AnswerDelivered)
			deliver(t, s, test.name)
			must(t, s.Close())
		}
		c, err := dial(t.Context(), path, func(string) error { return nil })
		must(t, err)
		version, err := c.int1("PRAGMA user_version")
		must(t, errors.Join(err, c.close()))
		if version != test.version {
			t.Errorf("%s: version %d, want %d", test.name, version, test.version)
		}
	}
}

// TestFileOfVersion1 has replies in a column of their own.
func TestFileOfVersion1(t *testing.T) {
	path := ledgerPath(t)
	s := openAt(t, path, Options{seams: seams{migrations: migrations[:1]}})
	for _, reply := range []string{`{"ok":true}`, ""} {
		c := mustClaim(t, s, repeatable("id"+reply), consumer.AnswerMine)
		must(t, s.Delivered(t.Context(), idOf("id"+reply), c.Token, contentNo(1), []byte(reply)))
	}
	must(t, s.Close())
	edit(t, path, "UPDATE ledger SET reply = CAST(substr(content, 18) AS TEXT), content = substr(content, 1, 17) WHERE length(content) > 17")
	for range 2 {
		s = openAt(t, path, Options{})
		for _, reply := range []string{`{"ok":true}`, ""} {
			other := repeatable("id" + reply)
			other.Content = contentNo(2)
			if c := mustClaim(t, s, other, consumer.AnswerDelivered); string(c.Reply) != reply || !c.Conflict {
				t.Errorf("the row with reply %q came back as %+v", reply, c)
			}
		}
		must(t, s.Close())
	}
	if s, err := Open(t.Context(), Options{Path: path, LockWait: -1, seams: seams{migrations: migrations[:1]}}); err == nil {
		must(t, s.Close())
		t.Error("a program of version 1 opens the file, whose rows it would take for damaged")
	}
}

// TestRowThatNobodyWrote breaks the store: the file is damaged.
func TestRowThatNobodyWrote(t *testing.T) {
	for _, change := range []string{"state = 9", "content = x'01'", "state = 4", "history = '{'"} {
		s := openAt(t, ledgerPath(t), Options{})
		c := mustClaim(t, s, repeatable("a"), consumer.AnswerMine)
		must(t, s.Delivered(t.Context(), idOf("a"), c.Token, contentNo(1), []byte(`{"ok":true}`)))
		must(t, s.Close())
		must(t, os.Remove(s.path+"-claims")) // which the start would look up
		edit(t, s.path, "UPDATE ledger SET "+change)
		s = openAt(t, s.path, Options{})
		if c, err := s.Claim(t.Context(), repeatable("a")); !errors.Is(err, ErrBroken) {
			t.Errorf("with %s: %+v, %v", change, c, err)
		}
	}
}

// TestLogSaysWhatAnOperatorNeeds and holds no id.
func TestLogSaysWhatAnOperatorNeeds(t *testing.T) {
	var out bytes.Buffer
	f := newFaults()
	s := openAt(t, ledgerPath(t), Options{Logger: slog.New(slog.NewTextHandler(&out, nil)), seams: seams{fault: f.at}})
	c := mustClaim(t, s, repeatable("order-4711"), consumer.AnswerMine)
	f.fail("write", sqliteError(codeFull))
	for range 3 {
		if err := s.Delivered(t.Context(), idOf("order-4711"), c.Token, contentNo(1), nil); err == nil {
			t.Fatal("delivered on a full disk")
		}
	}
	f.fail("write", nil)
	must(t, s.Delivered(t.Context(), idOf("order-4711"), c.Token, contentNo(1), nil))
	f.fail("commit", sqliteError(extendedIOSync))
	for range 3 {
		if err := s.PutState(t.Context(), "x", nil); err == nil {
			t.Fatal("put after an fsync error")
		}
	}
	must(t, s.Close())
	for words, times := range map[string]int{"no room": 1, "has room again": 1, "the ledger stopped": 1, "order-4711": 0} {
		if n := strings.Count(out.String(), words); n != times {
			t.Errorf("%q is logged %d times, want %d:\n%s", words, n, times, out.String())
		}
	}
}
