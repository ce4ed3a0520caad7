// Package app wires the worker's parts from a configuration, starts them in order and stops them in reverse.
package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/deadletter"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/ops"
	"github.com/toprelay/worker/internal/results"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

const (
	// stopTimeout bounds each clean-up step but the drain, which has its own time.
	stopTimeout = 10 * time.Second
	// writeTimeout bounds the write of one letter or result, but for a request that is under way then: its reply is awaited.
	writeTimeout = 10 * time.Second
	// maxLetterBytes is the most that a letter may count; the rest of what the broker takes is what Kafka adds.
	maxLetterBytes = broker.MaxWriteBytes - 4096
	// stuckAfter is how long the main loop, which ticks each second, may stand still before the worker is not alive.
	stuckAfter = 30 * time.Second
)

// ErrUnreachable marks an error of something that the worker depends on: exit code 6.
var ErrUnreachable = errors.New("a dependency is unreachable")

// Options say what to run.
type Options struct {
	Config   *config.Config // loaded; Run validates it
	Logger   *slog.Logger
	Version  string
	Observer consumer.Observer // may be nil
	// OpsListener, where not nil, is used in the place of ops.listen.
	OpsListener net.Listener
	// Started, where not nil, is called once the ops listener listens, before the worker consumes.
	Started func(*App)
}

// App is a worker with everything around it.
type App struct {
	options  Options
	config   *config.Config
	log      *slog.Logger
	registry *prometheus.Registry

	catalogue *schemas.Catalogue
	secrets   *secrets
	ledger    ledger
	client    *broker.Client
	writer    *broker.Writer
	gate      *retry.Gate
	caller    *top.Client
	worker    *consumer.Worker
	status    status
	opsAddr   string

	undo []func()
}

// Run runs the worker until ctx ends, then drains and stops. It returns nil after a clean stop, an error of
// config.Problems for a bad configuration, and one that wraps ErrUnreachable where the start had to be given up.
func Run(ctx context.Context, o Options) (err error) {
	a := &App{options: o, config: o.Config, log: o.Logger, registry: prometheus.NewRegistry()}
	defer func() {
		for i := len(a.undo) - 1; i >= 0; i-- {
			a.undo[i]()
		}
	}()
	for _, step := range []func(context.Context) error{
		a.loadCatalogue, a.openSecrets, a.registerBasics, a.openLedger, a.connect, a.makeGate, a.makeCaller, a.serveOps,
		a.awaitLedger, a.keepGate, a.awaitTopics, a.makeWorker,
	} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil { // stopped while starting
				return nil
			}
			return err
		}
	}
	a.log.Info("started", "version", o.Version, "group", a.config.Kafka.GroupID, "topics", a.topics(), "store", a.config.Dedup.Store)
	return a.consume(ctx)
}

// problem is a configuration error about a part of the configuration.
func problem(part string, err error) error {
	return config.Problems{{Key: part, Message: err.Error()}}
}

// problemAt is a configuration error about a key that was set, and says where.
func (a *App) problemAt(key string, err error) error {
	return config.Problems{{Place: a.config.Source(key), Key: key, Message: err.Error()}}
}

// onStop registers a clean-up. They run in reverse.
func (a *App) onStop(f func()) { a.undo = append(a.undo, f) }

func (a *App) loadCatalogue(context.Context) error {
	cat, err := schemas.Load(a.config.SchemasDir)
	if err != nil {
		return a.problemAt("schemas_dir", err)
	}
	a.catalogue = cat
	return a.config.Validate(cat)
}

func (a *App) openSecrets(context.Context) error {
	s, err := openSecrets(a.config, a.log)
	if err != nil {
		return problem("secrets", err)
	}
	a.secrets = s
	return nil
}

func (a *App) registerBasics(context.Context) error {
	info := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "toprelay", Name: "build_info", Help: "1, with the version of the worker."}, []string{"version"})
	info.WithLabelValues(a.options.Version).Set(1)
	a.registry.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return nil
}

func (a *App) openLedger(ctx context.Context) error {
	l, err := openLedger(ctx, a.config, a.secrets, a.log, a.registry)
	if err != nil {
		return err
	}
	a.ledger = l
	a.onStop(func() {
		if err := l.Close(); err != nil {
			a.log.Error("closing the ledger failed", "error", err.Error())
		}
	})
	return nil
}

func (a *App) connect(context.Context) error {
	cfg, err := Cluster(a.config.Kafka, a.secrets.sasl)
	if err != nil {
		return err
	}
	client, err := broker.NewClient(cfg)
	if err != nil {
		return problem("kafka", err)
	}
	a.client = client
	a.onStop(client.Close)
	a.writer = client.NewWriter()
	a.onStop(a.writer.Close)
	return nil
}

func (a *App) makeGate(context.Context) error {
	a.gate = retry.NewGate(gateOptions(a.config, a.catalogue, a.log, a.registry))
	return nil
}

func (a *App) makeCaller(ctx context.Context) error {
	caller, err := top.NewClient(callerOptions(a.config))
	if err != nil {
		return problem("top", err)
	}
	a.caller = caller
	a.onStop(caller.Close)
	a.onStop(a.secrets.watch(ctx, a.gate.SecretChanged))
	return nil
}

func (a *App) serveOps(context.Context) error {
	if a.config.Ops.Listen == "" && a.options.OpsListener == nil {
		a.started()
		return nil
	}
	o := ops.Options{Listen: a.config.Ops.Listen, Listener: a.options.OpsListener, Gatherer: a.registry, Live: a.status.alive, Ready: a.checks(),
		Status: a.statusPage, ProtectMetrics: a.config.Ops.ProtectMetrics}
	if a.config.Ops.ProtectMetrics || !a.config.Ops.Loopback() {
		tokens, err := ops.ParseTokens(a.secrets.tokens.Value())
		if err != nil {
			return a.problemAt("ops.tokens_file", err)
		}
		o.Tokens = tokens
	}
	server, err := ops.Start(o)
	if err != nil { // an address that is taken: nothing that the worker depends on is away
		return err
	}
	a.onStop(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			a.log.Error("closing the ops listener failed", "error", err.Error())
		}
	})
	a.log.Info("ops listener", "address", server.Addr())
	a.opsAddr = server.Addr()
	a.started()
	return nil
}

func (a *App) started() {
	if a.options.Started != nil {
		a.options.Started(a)
	}
}

// OpsAddr is the address of the ops listener, empty where there is none.
func (a *App) OpsAddr() string { return a.opsAddr }

// CallsInFlight counts the calls to the platform that have started and not ended.
func (a *App) CallsInFlight() int { return a.gate.InFlight() }

// Pauses lists what is paused now.
func (a *App) Pauses() []retry.Pause { return a.gate.Pauses() }

// Waiting counts the keys that wait, by reason.
func (a *App) Waiting() map[string]int {
	if w := a.status.worker.Load(); w != nil {
		return w.Waiting()
	}
	return nil
}

func (a *App) makeWorker(ctx context.Context) error {
	c := a.config
	plain := map[string]event.Plain{}
	for _, t := range c.Kafka.Topics {
		if t.Plain != nil {
			plain[t.Name] = event.Plain{Type: t.Plain.Type, Source: t.Plain.Source, ID: t.Plain.ID}
		}
	}
	source, err := a.client.NewSource(a.groupConfig())
	if err != nil {
		return err
	}
	a.onStop(func() {
		if err := source.Close(); err != nil {
			a.log.Warn("leaving the consumer group failed", "error", err.Error())
		}
	})
	parts := consumer.Parts{
		Source: source, Decoder: &event.Decoder{MaxBytes: int(c.Consumer.MaxEventBytes), Plain: plain},
		Catalogue: a.catalogue, Accounts: a.secrets.accounts, Gate: a.gate, Ledger: a.ledger, Caller: a.caller,
		Letters: deadletter.NewWriter(a.writer, deadletter.Options{
			Topic: c.Kafka.DeadLetterTopic, Group: c.Kafka.GroupID, Version: a.options.Version,
			MaxBytes: maxLetterBytes, Timeout: writeTimeout, TooLarge: broker.ErrTooLarge,
		}),
		Observer: a.options.Observer, Topics: a.topics(), Logger: a.log, Registerer: a.registry,
	}
	if c.Kafka.ResultsTopic != "" && !c.Top.DryRun {
		parts.Results = results.NewWriter(a.writer, results.Options{Topic: c.Kafka.ResultsTopic, Group: c.Kafka.GroupID, Timeout: writeTimeout})
	}
	a.worker = consumer.New(workerOptions(c), parts)
	a.watchRetention(ctx)
	return nil
}

// consume runs the worker, and says `ready` once it consumes.
func (a *App) consume(ctx context.Context) error {
	a.status.worker.Store(a.worker)
	watching, stop := context.WithCancel(ctx)
	said := make(chan struct{})
	go func() {
		defer close(said)
		a.sayReady(watching)
	}()
	draining := make(chan struct{})
	heard := context.AfterFunc(ctx, func() {
		defer close(draining)
		a.log.Info("draining", "calls_in_flight", a.CallsInFlight(), "timeout", a.config.Consumer.DrainTimeout.String())
	})
	err := a.worker.Run(ctx)
	if !heard() {
		<-draining
	}
	stop()
	<-said
	a.log.Info("stopped")
	return err
}

// sayReady logs `ready` once, when the worker first consumes.
func (a *App) sayReady(ctx context.Context) {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		if a.worker.State() == consumer.Consuming {
			a.log.Info("ready")
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (a *App) topics() []string {
	names := make([]string, 0, len(a.config.Kafka.Topics))
	for _, t := range a.config.Kafka.Topics {
		names = append(names, t.Name)
	}
	return names
}
