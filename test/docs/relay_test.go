package docs

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/simulator"
)

const (
	appKey  = "12345678"
	secret  = "docs-secret-not-real"
	session = "docs-session-not-real"

	// patience bounds every wait: far above what is needed, so that a slow machine is no failure.
	patience = time.Minute
)

// heard passes on what was settled.
type heard chan consumer.Settled

// Settled passes it on.
func (h heard) Settled(s consumer.Settled) { h <- s }

// Attempted is of no interest.
func (h heard) Attempted(consumer.Attempted) {}

// TestShownEventsAndMetrics sends every event that the documents show through a whole worker to the simulator, which must
// accept them all, and then looks for every metric that the documents name, with its labels.
func TestShownEventsAndMetrics(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events := shownEvents(t)
	settled := make(heard, len(events))
	kafka, address := startWorker(ctx, t, settled)

	writer := kafka.NewWriter()
	defer writer.Close()
	for i, r := range events {
		r.Key = fmt.Append(nil, i)
		if err := writer.Write(ctx, config.Default().Kafka.Topics[0].Name, broker.ByKey, r); err != nil {
			t.Fatal(err)
		}
	}
	for range events {
		select {
		case s := <-settled:
			if s.Outcome != consumer.Delivered && s.Outcome != consumer.Duplicate {
				t.Errorf("the event %s of %s: %s %s %s", s.EventID, s.Type, s.Outcome, s.Reason, s.Message)
			}
		case <-ctx.Done():
			t.Fatal("not all events were settled")
		}
	}
	checkMetrics(t, scrape(ctx, t, address))
}

// startWorker runs broker, simulator and worker until the test ends. It returns a client of the broker, and the address of
// the ops listener.
func startWorker(ctx context.Context, t *testing.T, observer consumer.Observer) (*broker.Client, string) {
	t.Helper()
	k := config.Default().Kafka
	topics := map[string]embedded.Topic{k.DeadLetterTopic: {}, k.ActionsTopic: {}, "top.results": {}}
	for _, topic := range k.Topics {
		topics[topic.Name] = embedded.Topic{}
	}
	kafka, err := embedded.Start(embedded.Options{Topics: topics})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kafka.Close)
	sim, err := simulator.New(simulator.Options{Apps: map[string]simulator.App{appKey: {Secret: secret, Sessions: []string{session}}}})
	if err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(sim.Handler())
	t.Cleanup(gateway.Close)
	c, err := config.Load(config.Options{Path: configurationFile(t, kafka.Addrs()[0], gateway.URL)})
	if err != nil {
		t.Fatal(err)
	}

	started := make(chan string, 1)
	done := make(chan error, 1)
	running, stop := context.WithCancel(ctx)
	go func() {
		done <- app.Run(running, app.Options{
			Config: c, Logger: slog.New(slog.DiscardHandler), Version: "docs", Observer: observer,
			Started: func(a *app.App) { started <- a.OpsAddr() },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the worker ended with: %v", err)
		}
	})
	client, err := broker.NewClient(broker.Config{Brokers: kafka.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	select {
	case address := <-started:
		return client, address
	case <-ctx.Done():
		t.Fatal("the worker did not start")
		return nil, ""
	}
}

func configurationFile(t *testing.T, kafka, gateway string) string {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf(`
kafka:
  brokers: [%q]
  results_topic: top.results
top:
  gateway: %s%s
  accounts: {default: {app_key: %q, app_secret_file: secret, session_file: session}}
qimen:
  outbound: {gateway: %q, target_app_key: "87654321"}
dedup: {path: ledger.db}
ops: {listen: "127.0.0.1:0"}
`, kafka, gateway, simulator.PathTOP, appKey, gateway+simulator.PathQimenCloud)
	for name, content := range map[string]string{"c.yaml": text, "secret": secret, "session": session} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "c.yaml")
}

func scrape(ctx context.Context, t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("/metrics: %s, %v", response.Status, err)
	}
	return string(text)
}

var (
	series = regexp.MustCompile(`(?m)^(toprelay_\w+)(?:\{(.*)\})? `)
	label  = regexp.MustCompile(`(\w+)="(?:[^"\\]|\\.)*"`)
)

// checkMetrics compares the documents with an exposition.
func checkMetrics(t *testing.T, exposition string) {
	t.Helper()
	labels := map[string]map[string]bool{} // by series
	for _, m := range series.FindAllStringSubmatch(exposition, -1) {
		if labels[m[1]] == nil {
			labels[m[1]] = map[string]bool{}
		}
		for _, l := range label.FindAllStringSubmatch(m[2], -1) {
			labels[m[1]][l[1]] = true
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if histogram, is := strings.CutSuffix(m[1], suffix); is && labels[histogram] == nil {
				labels[histogram] = labels[m[1]]
			}
		}
	}
	found := 0
	for _, m := range mentions(t, `\b(toprelay_\w+(?:\{[\w, ]*\})?)`) {
		found++
		name, of, _ := strings.Cut(strings.TrimSuffix(m.text, "}"), "{")
		if labels[name] == nil {
			t.Errorf("%s:%d: there is no metric %s", m.path, m.line, name)
			continue
		}
		for _, l := range strings.FieldsFunc(of, func(r rune) bool { return r == ',' || r == ' ' }) {
			if !labels[name][l] {
				t.Errorf("%s:%d: the metric %s has no label %s", m.path, m.line, name, l)
			}
		}
	}
	if found == 0 {
		t.Error("no metric was found in the documents")
	}
}
