package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/simulator"
	"github.com/toprelay/worker/schemas"
)

const (
	appKey  = "12345678"
	secret  = "integration-secret-not-real"
	session = "integration-session-not-real"
)

// setup is what a relay begins with; the zero value is the usual.
type setup struct {
	partitions int                      // of each topic; default 2
	broker     string                   // default: the broker of the suite
	noTopics   bool                     // nothing is created
	results    bool                     // the worker writes results
	apps       map[string]simulator.App // default: appKey alone
	shut       bool                     // the gateway does not listen yet
	catalogue  *schemas.Catalogue       // of the gateway; default: the five APIs
}

// relay is one worker with all around it: a gateway, topics and a group of its own.
type relay struct {
	t       *testing.T
	setup   setup
	dir     string
	name    string // prefix of topics, and the group
	gateway *gateway
	client  *broker.Client
	writer  *broker.Writer
	log     *lines // of all runs

	topics       string   // kafka.topics, as YAML
	set          []string // configuration, as --set takes it
	published    []*ev
	samples      []sample
	stopSampling func()
	metrics      map[string]float64 // as they were last scraped
	run          *run               // the worker in this process
	runs         int                // workers that were started
	settled      chan consumer.Settled
	attempted    chan consumer.Attempted
}

var names atomic.Int64

func newRelay(t *testing.T, s setup) *relay {
	t.Helper()
	if s.partitions == 0 {
		s.partitions = 2
	}
	if s.broker == "" {
		s.broker = kafkaAddr
	}
	if s.apps == nil {
		s.apps = map[string]simulator.App{appKey: {Secret: secret, Sessions: []string{session}}}
	}
	r := &relay{
		t: t, setup: s, dir: t.TempDir(), name: fmt.Sprintf("it%d-%d", time.Now().UnixNano(), names.Add(1)), log: newLines(),
		settled: make(chan consumer.Settled, 100_000), attempted: make(chan consumer.Attempted, 100_000),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the worker's log:\n%s", shorten(r.log.String()))
		}
	})
	r.gateway = newGateway(t, simulator.Options{Apps: s.apps, Catalogue: s.catalogue})
	if !s.shut {
		r.gateway.open()
	}
	r.topics = fmt.Sprintf("[%s, %s]", r.status(), r.work())
	r.connect()
	if !s.noTopics {
		for _, topic := range []string{r.status(), r.work(), r.dead(), r.actions(), r.results()} {
			r.create(topic, broker.Settings{})
		}
	}
	r.file("secret", secret)
	r.file("session", session)
	return r
}

// shorten keeps the beginning and the end of a log.
func shorten(log string) string {
	const most = 24 << 10
	if len(log) <= most {
		return log
	}
	return log[:most/2] + "\n…\n" + log[len(log)-most/2:]
}

func (r *relay) status() string  { return r.name + ".status-changes" }
func (r *relay) work() string    { return r.name + ".work-orders" }
func (r *relay) dead() string    { return r.name + ".dead-letters" }
func (r *relay) actions() string { return r.name + ".actions" }
func (r *relay) results() string { return r.name + ".results" }

// ctx ends with the test's patience.
func (r *relay) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *relay) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// file writes a file of the worker's folder, whole at once.
func (r *relay) file(name, content string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	r.must(os.WriteFile(path+".new", []byte(content), 0o600))
	r.must(os.Rename(path+".new", path))
	return path
}

// configure sets keys of the configuration, as --set takes them, for the next start.
func (r *relay) configure(sets ...string) { r.set = append(r.set, sets...) }

// configFile writes the configuration: quick retries, everything else as it ships.
func (r *relay) configFile() string {
	r.t.Helper()
	results := ""
	if r.setup.results {
		results = "\n  results_topic: " + r.results()
	}
	return r.file("toprelay.yaml", fmt.Sprintf(`
kafka:
  brokers: [%q]
  group_id: %s
  topics: %s
  dead_letter_topic: %s
  actions_topic: %s
  topics_timeout: 10s%s
top:
  gateway: http://%s/router/rest
  timeout: 5s
  accounts:
    default: {app_key: %q, app_secret_file: secret, session_file: session}
  rate_limit: {per_second: 0}
qimen: {outbound: {gateway: "http://%s/router/qm", target_app_key: "87654321"}}
retry: {initial_interval: 10ms, max_interval: 50ms}
breaker: {open_for: 200ms}
dedup: {path: ledger.db}
ops: {listen: 127.0.0.1:0}
`, r.setup.broker, r.name, r.topics, r.dead(), r.actions(), results, r.gateway.door.addr, appKey, r.gateway.door.addr))
}

func (r *relay) load() *config.Config {
	r.t.Helper()
	c, err := config.Load(config.Options{Path: r.configFile(), Sets: r.set})
	r.must(err)
	return c
}

// Settled implements consumer.Observer.
func (r *relay) Settled(s consumer.Settled) { r.settled <- s }

// Attempted implements consumer.Observer.
func (r *relay) Attempted(a consumer.Attempted) { r.attempted <- a }

// await waits until n more events are settled, and returns them.
func (r *relay) await(n int) []consumer.Settled {
	r.t.Helper()
	var all []consumer.Settled
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for len(all) < n {
		select {
		case s := <-r.settled:
			all = append(all, s)
		case <-deadline.C:
			r.t.Fatalf("only %d of %d events were settled", len(all), n)
		}
	}
	return all
}

// awaitAttempt waits until an attempt at an event of key has failed and will be repeated.
func (r *relay) awaitAttempt(key string) consumer.Attempted {
	r.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		select {
		case a := <-r.attempted:
			if a.Key == key {
				return a
			}
		case <-deadline.C:
			r.t.Fatalf("no attempt at key %s failed", key)
		}
	}
}

// until repeats check while another process, which gives no signal, gets there.
func (r *relay) until(what string, check func() error) {
	r.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-deadline.C:
			r.t.Fatalf("waited in vain until %s: %v", what, err)
		}
	}
}

// awaitLog waits until the worker has logged a text, n times.
func (r *relay) awaitLog(text string, n int) {
	r.t.Helper()
	if !r.log.await(r.ctx(), func(log string) bool { return strings.Count(log, text) >= n }) {
		r.t.Fatalf("the worker never logged %q %d times", text, n)
	}
}

// awaitExchanges waits until n requests that satisfy ok have reached the gateway.
func (r *relay) awaitExchanges(n int, ok func(exchange) bool) {
	r.t.Helper()
	if !r.gateway.await(r.ctx(), ok, n) {
		r.t.Fatalf("the gateway never saw %d such requests; it saw %d in all", n, len(r.gateway.log()))
	}
}
