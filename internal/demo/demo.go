// Package demo runs the main job with everything embedded: a Kafka broker, the platform's simulator, the worker, and a
// stream of sample events of all five types, some of which fail in ways that show what the worker does about it.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/simulator"
)

const (
	appKey  = "12345678"
	secret  = "demo-secret-not-real-0001"
	session = "demo-session-not-real-0001"

	partitions = 3
	// stopTimeout bounds the stop of what is around the worker.
	stopTimeout = 3 * time.Second
)

// addresses are where the parts listen. One that is taken is replaced by one with a free port.
type addresses struct{ kafka, gateway, ops string }

// preferred are the addresses that the documents name.
var preferred = addresses{kafka: "127.0.0.1:9092", gateway: "127.0.0.1:8090", ops: "127.0.0.1:8080"}

// Options of the demo.
type Options struct {
	Rate     float64       // events a second
	Duration time.Duration // 0: until ctx ends
	Out      io.Writer
	Terminal bool // Out can redraw lines
	Width    int  // of the terminal
	Version  string
}

// stage is what runs around the worker.
type stage struct {
	dir    string
	kafka  *embedded.Broker
	sim    *simulator.Simulator
	server *http.Server
	served chan error
	addr   string       // of the simulator
	ops    net.Listener // for the worker
	client *broker.Client
	writer *broker.Writer
}

// Run runs the demo until ctx ends or Duration is over, and prints a summary. Nothing is left behind.
func Run(ctx context.Context, o Options) error {
	if o.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Duration)
		defer cancel()
	}
	s, err := setUp(ctx, preferred)
	if err != nil {
		return err
	}
	defer s.close()
	c, err := s.configuration()
	if err != nil {
		return err
	}

	scr := newScreen(o)
	scr.welcome(s.kafka.Addrs()[0], "http://"+s.addr, "http://"+s.ops.Addr().String())
	started := make(chan *app.App, 1)
	done := make(chan error, 1)
	working, stopWorker := context.WithCancel(ctx)
	defer stopWorker()
	go func() {
		done <- app.Run(working, app.Options{
			Config: c, Version: o.Version, Observer: scr, Logger: slog.New(newLogTap(scr)), OpsListener: s.ops,
			Started: func(a *app.App) { started <- a },
		})
	}()
	var worker *app.App
	select {
	case worker = <-started:
	case err := <-done:
		return fmt.Errorf("the worker did not start: %w", err)
	}

	var around sync.WaitGroup
	playing, stopPlaying := context.WithCancel(ctx)
	defer stopPlaying()
	feeder, err := newFeeder(s.writer, o.Rate)
	if err != nil {
		return err
	}
	around.Go(func() { scr.run(playing, worker) })
	around.Go(func() { feeder.run(playing, scr) })
	around.Go(func() { play(playing, s.sim, feeder, scr) })

	select {
	case <-ctx.Done():
		err = nil
	case err = <-done:
		done <- err
	}
	stopPlaying()
	around.Wait()
	scr.say("stopping: calls in flight finish, offsets are committed")
	stopWorker()
	if stopped := <-done; stopped != nil {
		err = errors.Join(err, stopped)
	}
	scr.summary(feeder.published())
	return err
}

// setUp starts broker and simulator, creates the topics, and listens for the worker.
func setUp(ctx context.Context, at addresses) (s *stage, err error) {
	s = &stage{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "toprelay-demo-"); err != nil {
		return nil, err
	}
	topics := map[string]embedded.Topic{}
	defaults := config.Default().Kafka
	for _, t := range defaults.Topics {
		topics[t.Name] = embedded.Topic{Partitions: partitions}
	}
	topics[defaults.DeadLetterTopic] = embedded.Topic{Partitions: partitions, Config: map[string]string{"retention.ms": "-1"}}
	topics[defaults.ActionsTopic] = embedded.Topic{Partitions: 1, Config: map[string]string{"retention.ms": "-1"}}
	topics[resultsTopic] = embedded.Topic{Partitions: partitions}
	if s.kafka, err = orFree(at.kafka, func(addr string) (*embedded.Broker, error) {
		return embedded.Start(embedded.Options{Listen: addr, Topics: topics})
	}); err != nil {
		return nil, err
	}
	if s.sim, err = simulator.New(simulator.Options{
		Apps:    map[string]simulator.App{appKey: {Secret: secret, Sessions: []string{session}}},
		Latency: 40 * time.Millisecond, KeepCalls: 1000,
	}); err != nil {
		return nil, err
	}
	if s.ops, err = orFree(at.ops, listen); err != nil {
		return nil, err
	}
	listener, err := orFree(at.gateway, listen)
	if err != nil {
		return nil, err
	}
	s.addr = listener.Addr().String()
	s.server = &http.Server{Handler: s.sim.Handler(), ReadHeaderTimeout: 5 * time.Second}
	s.served = make(chan error, 1)
	go func() { s.served <- s.server.Serve(listener) }()
	if s.client, err = broker.NewClient(broker.Config{Brokers: s.kafka.Addrs(), ClientID: "toprelay-demo-wms"}); err != nil {
		return nil, err
	}
	s.writer = s.client.NewWriter()
	return s, ctx.Err()
}

// close stops what was started, in reverse, and removes the folder.
func (s *stage) close() {
	if s.writer != nil {
		s.writer.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
	if s.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		if s.server.Shutdown(ctx) != nil {
			_ = s.server.Close() // what did not finish in time is cut
		}
		cancel()
		if err := <-s.served; err != nil && !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "simulator:", err)
		}
	}
	if s.ops != nil {
		_ = s.ops.Close() // the worker has closed it, unless it did not come so far
	}
	if s.kafka != nil {
		s.kafka.Close()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir) // in the system's folder for what is temporary
	}
}

const resultsTopic = "top.results"

// configuration is the worker's: as it ships, but for shorter times, so that a minute shows what takes an hour.
func (s *stage) configuration() (*config.Config, error) {
	for name, content := range map[string]string{"secret": secret, "session": session} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	text := fmt.Sprintf(`
kafka: {brokers: [%q], group_id: toprelay-demo, results_topic: %s}
top:
  gateway: http://%s%s
  timeout: 5s
  accounts: {default: {app_key: %q, app_secret_file: secret, session_file: session}}
qimen: {outbound: {gateway: http://%s%s, target_app_key: "87654321"}}
retry: {initial_interval: 500ms, max_interval: 4s}
breaker: {open_for: 3s}
consumer: {drain_timeout: 6s}
dedup: {path: ledger.db}
ops: {listen: %s}
`, s.kafka.Addrs()[0], resultsTopic, s.addr, simulator.PathTOP, appKey, s.addr, simulator.PathQimenCloud, s.ops.Addr())
	path := filepath.Join(s.dir, "toprelay.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return config.Load(config.Options{Path: path})
}

// orFree starts something at addr, or with any free port where that is taken: by looking it would only be known whether it
// was free a moment ago.
func orFree[T any](addr string, start func(addr string) (T, error)) (T, error) {
	started, err := start(addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return start("127.0.0.1:0")
	}
	return started, err
}

func listen(addr string) (net.Listener, error) { return net.Listen("tcp", addr) }
