package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
)

// setup is what a test may change before its worker is made.
type setup struct {
	options  Options
	policy   retry.Policy
	gate     retry.Options
	accounts map[string]*top.Account
	maxBytes int
	results  bool
	repeats  bool // the test lets an id be accepted more than once
	kafka    *fakeKafka
	ledger   *fakeLedger
}

// rig is a worker among fakes, in a bubble where time moves only when everybody waits.
type rig struct {
	t        *testing.T
	setup    *setup
	trace    *trace
	kafka    *fakeKafka
	ledger   *fakeLedger
	caller   *fakeCaller
	letters  *fakeLetters
	results  *fakeResults
	observer *fakeObserver
	logs     *logLines
	registry *prometheus.Registry
	gate     *retry.Gate
	worker   *Worker
	cancel   context.CancelFunc
	done     chan error
}

type fixed string

func (f fixed) Value() string { return string(f) }

const (
	appSecret  = "secret-not-real"
	sessionKey = "session-not-real"
)

func account(name string) *top.Account {
	return &top.Account{Name: name, AppKey: "key-of-" + name, Secret: fixed(appSecret), Session: fixed(sessionKey)}
}

// in runs a test in a bubble with a worker that is not started. change may be nil.
func in(t *testing.T, change func(*setup), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, change)
		test(r)
		r.stop()
		r.check()
	})
}

// started is in with a worker that owns partition 0.
func started(t *testing.T, change func(*setup), test func(r *rig)) {
	t.Helper()
	in(t, change, func(r *rig) {
		r.kafka.assign(part(0))
		r.start()
		test(r)
	})
}

func newRig(t *testing.T, change func(*setup)) *rig {
	t.Helper()
	tr := &trace{}
	s := &setup{
		options: Options{
			Concurrency: 8, MaxBufferedBytes: 1 << 20, MaxUnsettled: 1000, MaxSpan: 10_000, DrainTimeout: 5 * time.Second,
			Timeout: func(string) time.Duration { return 10 * time.Second },
		},
		policy: retry.Policy{
			InitialInterval: time.Second, Multiplier: 2, MaxInterval: 8 * time.Second, MaxAttempts: 3, GiveUpAfter: 4 * time.Second,
		},
		gate:     retry.Options{Methods: map[string]retry.MethodOptions{}},
		accounts: map[string]*top.Account{"default": account("default"), "other": account("other")},
		results:  true,
	}
	for _, typ := range catalogue.Types() {
		s.gate.Methods[typ.Method] = retry.MethodOptions{Repeatable: typ.Repeatable}
	}
	if change != nil {
		change(s)
	}
	r := &rig{
		t: t, setup: s, trace: tr, kafka: s.kafka, ledger: s.ledger, caller: newFakeCaller(tr), letters: &fakeLetters{trace: tr},
		results: &fakeResults{have: map[string]bool{}, trace: tr}, observer: &fakeObserver{trace: tr}, logs: &logLines{},
		registry: prometheus.NewPedanticRegistry(), done: make(chan error, 1),
	}
	if r.kafka == nil {
		r.kafka = newFakeKafka(tr)
		r.kafka.settled = r.results.settled
	}
	if r.ledger == nil {
		r.ledger = newFakeLedger(tr)
	}
	log := slog.New(slog.NewJSONHandler(r.logs, nil))
	s.gate.Concurrency, s.gate.Logger, s.gate.Registerer = s.options.Concurrency, log, r.registry
	r.gate = retry.NewGate(s.gate)
	s.options.Policy = func(string) retry.Policy { return s.policy }
	parts := Parts{
		Source: r.kafka, Decoder: &event.Decoder{MaxBytes: s.maxBytes}, Catalogue: catalogue, Accounts: s.accounts, Gate: r.gate,
		Ledger: r.ledger, Caller: r.caller, Letters: r.letters, Observer: r.observer, Topics: []string{topic}, Logger: log,
		Registerer: r.registry,
	}
	if s.results {
		parts.Results = r.results
	}
	r.worker = New(s.options, parts)
	return r
}

func part(n int) TopicPartition { return TopicPartition{Topic: topic, Partition: n} }

// start runs the worker and waits until it has nothing to do at once.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() { r.done <- r.worker.Run(ctx) }()
	synctest.Wait()
}

// stop stops the worker as a signal would, and fails the test unless that is clean.
func (r *rig) stop() {
	r.t.Helper()
	if r.cancel == nil {
		return
	}
	r.cancel()
	r.cancel = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("Run = %v, want nil after a clean stop", err)
	}
	if r.worker.State() != Stopped {
		r.t.Errorf("state %v after Run", r.worker.State())
	}
}

// check looks at the promises that hold in every test.
func (r *rig) check() {
	r.t.Helper()
	for _, promise := range slices.Concat(r.kafka.broken, r.caller.broken) {
		r.t.Error(promise)
	}
	took := map[string]int{}
	last := map[string]int64{}
	offsets, published := map[string]int64{}, map[string]int{}
	for _, l := range r.kafka.logs {
		for i := range l.records {
			id := idOf(&l.records[i])
			if published[id]++; published[id] == 1 {
				offsets[id] = l.records[i].Offset
			}
		}
	}
	for _, c := range r.caller.all() {
		if c.reply.Class != top.ClassOK {
			continue
		}
		if took[c.id]++; took[c.id] > 1 && !r.setup.repeats {
			r.t.Errorf("%s was accepted %d times", c.id, took[c.id])
		}
		lane := fmt.Sprint(c.account, c.method, c.key)
		if published[c.id] > 1 { // which of them it was cannot be told
			continue
		}
		if offsets[c.id] < last[lane] {
			r.t.Errorf("%s of key %s was accepted after a later event of its key", c.id, c.key)
		}
		last[lane] = max(last[lane], offsets[c.id])
	}
	if r.caller.most > r.setup.options.Concurrency {
		r.t.Errorf("%d calls at once, the limit is %d", r.caller.most, r.setup.options.Concurrency)
	}
}

// produce writes records to partition 0 and waits until nothing can happen without time.
func (r *rig) produce(records ...event.Record) {
	r.kafka.append(part(0), records...)
	synctest.Wait()
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// want fails the test unless got and want are the same text.
func (r *rig) want(what string, got, want any) {
	r.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		r.t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// metric fails the test unless the series has the value.
func (r *rig) metric(series string, want float64) {
	r.t.Helper()
	if got, ok := r.series()[series]; !ok || got != want {
		r.t.Errorf("%s = %v (there: %v), want %v", series, got, ok, want)
	}
}

// series are all series of the worker's registry by their name in the exposition, but for buckets.
func (r *rig) series() map[string]float64 {
	r.t.Helper()
	all := map[string]float64{}
	for line := range strings.Lines(r.exposition()) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if strings.HasPrefix(line, "#") || !ok || strings.Contains(name, "_bucket") {
			continue
		}
		var v float64
		if _, err := fmt.Sscan(value, &v); err != nil {
			r.t.Fatalf("%q: %v", line, err)
		}
		all[name] = v
	}
	return all
}

// exposition is the text of /metrics.
func (r *rig) exposition() string {
	r.t.Helper()
	w := httptest.NewRecorder()
	promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.PanicOnError}).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}
