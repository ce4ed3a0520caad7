// Package integration runs whole workers against the simulator, on the embedded broker or on the Kafka at
// TOPRELAY_TEST_KAFKA: the same suite on both.
package integration

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/simulator"
)

const (
	appKey  = "12345678"
	secret  = "integration-secret-not-real"
	session = "integration-session-not-real"

	// patience bounds every wait of a test: far above what is needed, so that a slow machine is no failure.
	patience = time.Minute
)

// kafkaAddr is the broker that the suite runs on.
var kafkaAddr string

func TestMain(m *testing.M) { os.Exit(suite(m)) }

func suite(m *testing.M) int {
	if kafkaAddr = os.Getenv("TOPRELAY_TEST_KAFKA"); kafkaAddr == "" {
		b, err := embedded.Start(embedded.Options{})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer b.Close()
		kafkaAddr = b.Addrs()[0]
	}
	return m.Run()
}

// relay is a worker with all around it, topics and group of its own.
type relay struct {
	t      *testing.T
	dir    string
	name   string // prefix of topics and the group
	sim    *simulator.Simulator
	server *httptest.Server
	client *broker.Client
	writer *broker.Writer
	log    *lines

	set  []string // configuration, as --set takes it
	stop func() error
	ops  atomic.Pointer[string]

	settled chan consumer.Settled
}

var names atomic.Int64

// newRelay makes topics and a simulator. The worker does not run yet.
func newRelay(t *testing.T, partitions int) *relay {
	t.Helper()
	r := &relay{
		t: t, dir: t.TempDir(), name: fmt.Sprintf("it%d-%d", time.Now().UnixNano(), names.Add(1)), log: &lines{},
		settled: make(chan consumer.Settled, 200_000),
	}
	sim, err := simulator.New(simulator.Options{Apps: map[string]simulator.App{appKey: {Secret: secret, Sessions: []string{session}}}})
	r.must(err)
	r.sim = sim
	r.server = httptest.NewServer(sim.Handler())
	t.Cleanup(r.server.Close)
	r.client, err = broker.NewClient(broker.Config{Brokers: []string{kafkaAddr}})
	r.must(err)
	t.Cleanup(r.client.Close)
	r.writer = r.client.NewWriter()
	t.Cleanup(r.writer.Close)
	for _, topic := range []string{r.status(), r.work(), r.dead(), r.results()} {
		r.must(r.client.CreateTopic(r.ctx(), broker.NewTopic{Topic: broker.Topic{Name: topic, Partitions: partitions, Replicas: 1}}))
	}
	r.file("secret", secret)
	r.file("session", session)
	return r
}

func (r *relay) status() string  { return r.name + ".status-changes" }
func (r *relay) work() string    { return r.name + ".work-orders" }
func (r *relay) dead() string    { return r.name + ".dead-letters" }
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

func (r *relay) file(name, content string) string {
	path := filepath.Join(r.dir, name)
	r.must(os.WriteFile(path, []byte(content), 0o600))
	return path
}

// configure sets keys of the configuration, as --set takes them, for the next start.
func (r *relay) configure(sets ...string) { r.set = append(r.set, sets...) }

// load is the configuration of the worker: quick retries, everything else as it ships.
func (r *relay) load() *config.Config {
	text := fmt.Sprintf(`
kafka:
  brokers: [%q]
  group_id: %s
  topics: [%s, %s]
  dead_letter_topic: %s
  results_topic: %s
  actions_topic: %s.actions
  topics_timeout: 2s
top:
  gateway: %s/router/rest
  timeout: 2s
  accounts:
    default: {app_key: %q, app_secret_file: secret, session_file: session}
  rate_limit: {per_second: 0}
qimen: {outbound: {gateway: %s/router/qm, target_app_key: "87654321"}}
retry: {initial_interval: 10ms, max_interval: 50ms}
breaker: {open_for: 200ms}
dedup: {path: ledger.db}
ops: {listen: 127.0.0.1:0}
`, kafkaAddr, r.name, r.status(), r.work(), r.dead(), r.results(), r.name, r.server.URL, appKey, r.server.URL)
	c, err := config.Load(config.Options{Path: r.file("toprelay.yaml", text), Sets: r.set})
	r.must(err)
	return c
}

// start runs the worker until the test ends or stop is called.
func (r *relay) start() {
	r.t.Helper()
	c := r.load()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	started := make(chan struct{})
	go func() {
		done <- app.Run(ctx, app.Options{
			Config: c, Version: "test", Observer: r,
			Logger:  slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
			Started: func(a *app.App) { addr := a.OpsAddr(); r.ops.Store(&addr); close(started) },
		})
	}()
	var once sync.Once
	var result error
	r.stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case result = <-done:
			case <-time.After(patience):
				result = fmt.Errorf("the worker did not stop; its log:\n%s", r.log)
			}
		})
		return result
	}
	stop := r.stop
	r.t.Cleanup(func() {
		if err := stop(); err != nil {
			r.t.Errorf("stop: %v", err)
		}
		if r.t.Failed() {
			r.t.Logf("log of the worker:\n%s", r.log)
		}
	})
	select {
	case <-started:
	case err := <-done:
		done <- err
		r.t.Fatalf("the worker did not start: %v", err)
	}
}

// Settled implements consumer.Observer.
func (r *relay) Settled(s consumer.Settled) { r.settled <- s }

// Attempted implements consumer.Observer.
func (r *relay) Attempted(consumer.Attempted) {}

// await waits until n more events are settled, and returns them.
func (r *relay) await(n int) []consumer.Settled {
	r.t.Helper()
	var all []consumer.Settled
	deadline := time.After(patience)
	for len(all) < n {
		select {
		case s := <-r.settled:
			all = append(all, s)
		case <-deadline:
			r.t.Fatalf("only %d of %d events were settled; the worker's log:\n%s", len(all), n, r.log)
		}
	}
	return all
}

// produce writes records to topic, to their partition where it is not negative, in order.
func (r *relay) produce(topic string, partition int, records ...event.Record) {
	r.t.Helper()
	out := make([]broker.Outgoing, len(records))
	for i := range records {
		out[i] = broker.Outgoing{Topic: topic, Partition: partition, Record: records[i]}
	}
	for _, err := range r.writer.WriteAll(r.ctx(), out) {
		r.must(err)
	}
}

// binary is an event in binary mode.
func binary(typ, id, key, data string) event.Record {
	return event.Record{Key: []byte(key), Value: []byte(data), Headers: []event.Header{
		{Key: "ce_specversion", Value: []byte("1.0")}, {Key: "ce_type", Value: []byte(typ)},
		{Key: "ce_source", Value: []byte("/wms/test")}, {Key: "ce_id", Value: []byte(id)},
		{Key: "content-type", Value: []byte("application/json")},
	}}
}

// read returns all records that are in a topic now, by partition and offset.
func (r *relay) read(topic string) []event.Record {
	r.t.Helper()
	topics, err := r.client.Topics(r.ctx(), topic)
	r.must(err)
	var all []event.Record
	for p := range topics[topic].Partitions {
		tp := consumer.TopicPartition{Topic: topic, Partition: p}
		for next := int64(0); ; {
			b, err := r.client.Fetch(r.ctx(), tp, next)
			r.must(err)
			all = append(all, b.Records...)
			if next = b.Next; next >= b.End {
				break
			}
		}
	}
	return all
}

// lag is what the group has not committed of the consumed topics.
func (r *relay) lag() int64 {
	r.t.Helper()
	committed, err := r.client.GroupOffsets(r.ctx(), r.name)
	r.must(err)
	topics, err := r.client.Topics(r.ctx(), r.status(), r.work())
	r.must(err)
	var parts []consumer.TopicPartition
	for name, topic := range topics {
		for p := range topic.Partitions {
			parts = append(parts, consumer.TopicPartition{Topic: name, Partition: p})
		}
	}
	spans, err := r.client.Spans(r.ctx(), parts...)
	r.must(err)
	var lag int64
	for tp, span := range spans {
		lag += span.End - committed[tp]
	}
	return lag
}

// metrics is the text of /metrics.
func (r *relay) metrics() string {
	r.t.Helper()
	return string(r.get("/metrics"))
}

func (r *relay) get(path string) []byte {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodGet, "http://"+*r.ops.Load()+path, nil)
	r.must(err)
	resp, err := http.DefaultClient.Do(req)
	r.must(err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	r.must(err)
	return body
}

// metric asserts a line of /metrics.
func (r *relay) metric(series string, want float64) {
	r.t.Helper()
	line := fmt.Sprintf("\n%s %v\n", series, want)
	if text := r.metrics(); !strings.Contains(text, line) {
		got := "no such series"
		for _, l := range strings.Split(text, "\n") {
			if strings.HasPrefix(l, series+" ") {
				got = l
			}
		}
		r.t.Errorf("metrics: want %q, got %q", strings.TrimSpace(line), got)
	}
}

// lines collects the worker's log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
