package retry

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	update  = "tmall.servicecenter.workcard.logisticsorder.update"
	syncing = "taobao.logistics.provider.work.order.sync"
	create  = "tmall.servicecenter.spserviceorder.create"
)

// world is a gate with what a test needs around it.
type world struct {
	*Gate
	t        *testing.T
	registry *prometheus.Registry
	logs     *bytes.Buffer
}

// newWorld makes a gate without a rate limit, with two repeatable methods and one that is not, unless o says otherwise.
func newWorld(t *testing.T, o Options) *world {
	t.Helper()
	w := &world{t: t, registry: prometheus.NewPedanticRegistry(), logs: new(bytes.Buffer)}
	if o.Methods == nil {
		o.Methods = map[string]MethodOptions{update: {Repeatable: true}, syncing: {Repeatable: true}, create: {}}
	}
	o.Logger = slog.New(slog.NewTextHandler(w.logs, nil))
	o.Registerer = w.registry
	w.Gate = NewGate(o)
	return w
}

// in runs a test in a bubble: the clock moves only when the test sleeps.
func in(t *testing.T, o Options, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t, o)) })
}

func at(account, method string) Scope {
	return Scope{Account: account, AppKey: "app-" + account, Method: method}
}

// must admits a call or fails the test.
func (w *world) must(s Scope, key string) *Permit {
	w.t.Helper()
	p, r := w.Admit(s, key)
	if p == nil {
		w.t.Fatalf("%s of %s/%s refused: %+v", key, s.Account, s.Method, *r)
	}
	return p
}

// refused fails the test unless the call is refused for the reason and until the given time from now (0: no time).
func (w *world) refused(s Scope, key, reason string, after time.Duration, keyOnly bool) {
	w.t.Helper()
	p, r := w.Admit(s, key)
	if p != nil {
		w.t.Fatalf("%s of %s/%s admitted, want %s", key, s.Account, s.Method, reason)
	}
	var got time.Duration
	if !r.Until.IsZero() {
		got = time.Until(r.Until)
	}
	if r.Reason != reason || got.Round(time.Millisecond) != after || r.KeyOnly != keyOnly {
		w.t.Fatalf("%s of %s/%s refused for %s after %v (key only: %v), want %s after %v (%v)",
			key, s.Account, s.Method, r.Reason, got, r.KeyOnly, reason, after, keyOnly)
	}
}

// call admits a call and ends it at once.
func (w *world) call(s Scope, key string, r Report) *Permit {
	w.t.Helper()
	p := w.must(s, key)
	p.Done(r)
	return p
}

func (w *world) ok(s Scope, key string) *Permit {
	w.t.Helper()
	return w.call(s, key, Report{Kind: KindSuccess})
}

// warm ends every ramp of the scope, at the pace that its bucket allows.
func (w *world) warm(s Scope) {
	w.t.Helper()
	for i := range w.options.Concurrency {
		for {
			p, r := w.Admit(s, fmt.Sprint("warm-", i))
			if p != nil {
				p.Done(ok)
				break
			}
			time.Sleep(time.Until(r.Until))
		}
	}
}

// logged counts the log lines that hold all the texts.
func (w *world) logged(texts ...string) int {
	n := 0
	for line := range strings.Lines(w.logs.String()) {
		found := true
		for _, text := range texts {
			found = found && strings.Contains(line, text)
		}
		if found {
			n++
		}
	}
	return n
}

// signalled says whether Changed has something to receive, and receives it.
func (w *world) signalled() bool {
	select {
	case <-w.Changed():
		return true
	default:
		return false
	}
}

var (
	ok       = Report{Kind: KindSuccess}
	rejected = Report{Kind: KindRejected}
	failed   = Report{Kind: KindFailure}
)

func session(l Level) Report { return Report{Kind: KindSession, Level: l, Detail: "53"} }
func misconfigured(l Level) Report {
	return Report{Kind: KindMisconfigured, Level: l, Detail: "25", Advice: "look here"}
}
func throttled(l Level, wait time.Duration) Report {
	return Report{Kind: KindThrottled, Level: l, Wait: wait, Detail: "7 accesscontrol"}
}

func TestChangedIsSignalledOnceForManyRefusals(t *testing.T) {
	in(t, Options{Concurrency: 1}, func(t *testing.T, w *world) {
		s := at("a", update)
		p := w.must(s, "k1")
		p.Done(ok)
		if w.signalled() {
			t.Fatal("signalled although nobody was refused")
		}
		p = w.must(s, "k1")
		w.refused(s, "k2", ReasonConcurrency, 0, false)
		w.refused(s, "k3", ReasonConcurrency, 0, false)
		if w.signalled() {
			t.Fatal("signalled before the slot came back")
		}
		p.Done(ok)
		if !w.signalled() || w.signalled() {
			t.Fatal("want one signal")
		}
	})
}

// A log that blocks must not hold the lock, or it would hold every call.
func TestLogIsWrittenWithoutTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := at("a", update)
		var g *Gate
		lines := 0
		g = NewGate(Options{Logger: slog.New(slog.NewTextHandler(writer(func() {
			lines++
			g.Active(s) // would dead-lock under the lock
		}), nil))})
		p, _ := g.Admit(s, "k")
		p.Done(throttled(LevelMethod, time.Second))
		if lines != 1 {
			t.Fatalf("%d lines, want 1", lines)
		}
	})
}

type writer func()

func (w writer) Write(b []byte) (int, error) { w(); return len(b), nil }

func TestConcurrentUse(t *testing.T) {
	g := NewGate(Options{Concurrency: 8, Registerer: prometheus.NewRegistry()})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 500 {
				s := at(fmt.Sprint("a", i%3), []string{update, syncing}[i%2])
				p, _ := g.Admit(s, fmt.Sprint(n))
				if p != nil {
					p.Done(Report{Kind: Kind(i % 5), Level: LevelAccountMethod, Wait: time.Microsecond})
				}
				g.NextChange()
				g.Active(s)
				if i%50 == 0 {
					g.Pauses()
					g.SecretChanged(s.Account)
				}
			}
		})
	}
	wg.Wait()
	if g.inFlight != 0 {
		t.Fatalf("%d in flight after all are done", g.inFlight)
	}
}
