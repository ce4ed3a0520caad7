package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBadLedger: without its ledger the worker does not start, and says which file it is and what is wrong.
func TestBadLedger(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(r *relay) (path string){
		"corrupt": func(r *relay) string { return r.file("ledger.db", strings.Repeat("this is no database. ", 1000)) },
		"truncated": func(r *relay) string {
			r.start()
			r.publish(logistics.event(1))
			r.await(1)
			r.stop()
			path := filepath.Join(r.dir, "ledger.db")
			info, err := os.Stat(path)
			r.must(err)
			r.must(os.Truncate(path, info.Size()/2))
			return path
		},
		"under a file": func(r *relay) string { r.file("plain", "x"); return filepath.Join(r.dir, "plain", "ledger.db") },
		"a folder": func(r *relay) string {
			path := filepath.Join(r.dir, "folder")
			r.must(os.Mkdir(path, 0o700))
			return path
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRelay(t, setup{})
			path := prepare(r)
			calls := len(r.gateway.log())
			r.publish(logistics.event(1))
			r.configure("dedup.path=" + path)
			p := r.launch()
			if code := p.wait(); code == 0 || code == 66 {
				t.Errorf("exit code %d", code)
			}
			if !strings.Contains(p.last(), path) {
				t.Errorf("the error does not name %s: %s", path, p.last())
			}
			if n := len(r.gateway.log()); n != calls {
				t.Error("an event was sent without a ledger")
			}
		})
	}
}

// TestLockedLedger: a second worker on the same file waits for it half a minute and exits with 6.
func TestLockedLedger(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	p := r.launch()
	p.awaitLog(`"msg":"ready"`)
	r.configure("kafka.group_id=" + r.name + "-2")
	began := time.Now()
	q := r.launch()
	if code := q.wait(); code != 6 {
		t.Errorf("exit code %d, want 6", code)
	}
	if after := time.Since(began); after > 45*time.Second || after < 20*time.Second {
		t.Errorf("it waited %v, want about 30 s", after)
	}
	if !strings.Contains(q.last(), filepath.Join(r.dir, "ledger.db")) || !strings.Contains(q.last(), "pid") {
		t.Errorf("the error does not name the file and who has it: %s", q.last())
	}
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d of the first worker", code)
	}
}

// TestLedgerIsFreedInTime: a worker that takes over waits for its predecessor's drain.
func TestLedgerIsFreedInTime(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	p := r.launch()
	p.awaitLog(`"msg":"ready"`)
	q := r.launch()
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d of the first worker", code)
	}
	q.awaitLog(`"msg":"ready"`)
	q.signal(syscall.SIGTERM)
	if code := q.wait(); code != 0 {
		t.Errorf("exit code %d of the second worker", code)
	}
}

// TestLedgerRemoved: a worker whose ledger is taken away makes no more calls, is not ready, and loses nothing.
func TestLedgerRemoved(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	p := r.launch()
	r.publish(logistics.event(1))
	r.awaitSettled(1)
	r.settleAll()
	ledger, elsewhere := filepath.Join(r.dir, "ledger.db"), filepath.Join(r.dir, "elsewhere.db")
	r.must(os.Rename(ledger, elsewhere))
	p.awaitReadyz(`"store"`)
	r.publish(logistics.event(2), delivery.event(2))
	p.awaitLog("the ledger does not answer")
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.last())
	}
	if n := len(r.gateway.log()); n != 1 {
		t.Errorf("%d calls of a worker without its ledger", n-1)
	}
	if lag := r.lag(); lag != 2 {
		t.Errorf("lag %d, want 2", lag)
	}
	r.must(os.Rename(elsewhere, ledger))
	q := r.launch()
	r.awaitSettled(3)
	r.settleAll()
	q.signal(syscall.SIGTERM)
	if code := q.wait(); code != 0 {
		t.Errorf("exit code %d of the second worker: %s", code, q.last())
	}
	r.expect(r.audit(claims{restarted: true}), map[string]int{"logistics delivered": 2, "delivery delivered": 1})
}
