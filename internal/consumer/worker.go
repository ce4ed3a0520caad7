package consumer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// joinRetry is the wait after a failed join.
const joinRetry = time.Second

// Caller makes one call to TOP.
type Caller interface {
	Call(ctx context.Context, a *top.Account, t *schemas.Type, p top.Payload) top.Reply
}

// Decoder reads a record as an event.
type Decoder interface {
	Decode(r *event.Record) (event.Event, *event.Defect)
}

// Options say how the worker works. All are required where no default is named.
type Options struct {
	Concurrency      int   // calls in flight
	MaxBufferedBytes int   // of unsettled events
	MaxUnsettled     int   // events
	MaxSpan          int64 // offsets past the watermark of a partition

	DrainTimeout time.Duration
	DryRun       bool // everything but the call: no letters, no results

	Policy        func(method string) retry.Policy
	Timeout       func(method string) time.Duration // of a call
	UnknownFields map[string]schemas.UnknownFields  // by type; reject where absent
}

// Parts are what the worker works with. Results and Observer may be nil.
type Parts struct {
	Source    Source
	Decoder   Decoder
	Catalogue *schemas.Catalogue
	Accounts  map[string]*top.Account
	Gate      *retry.Gate
	Ledger    Ledger
	Caller    Caller
	Letters   DeadLetters
	Results   Results
	Observer  Observer

	Topics     []string // consumed, for the metrics
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Worker consumes the group's partitions and settles their events.
type Worker struct {
	options       Options
	source        Source
	decoder       Decoder
	catalogue     *schemas.Catalogue
	accounts      map[string]*top.Account
	unknownFields map[string]schemas.UnknownFields
	gate          *retry.Gate
	ledger        Ledger
	caller        Caller
	letters       DeadLetters
	results       Results
	observer      Observer
	policy        func(method string) retry.Policy
	timeout       func(method string) time.Duration

	bounds   *bounds
	schedule *schedule
	metrics  *metrics
	trouble  *trouble
	kafka    *kafkaTrouble
	log      *slog.Logger

	jobs     chan job
	idle     atomic.Int64
	workers  sync.WaitGroup
	attempts atomic.Pointer[context.Context]

	recording deadline // of the writes that record one outcome
	claiming  deadline // of one claim

	mu      sync.Mutex
	parts   []*partition // of the present generation
	state   State
	joinErr error // why there is none
}

// State is where the worker stands with its group.
type State uint8

const (
	Joining State = iota // waits for an assignment
	Consuming
	Draining
	Stopped
)

// String is the state's name on the status page.
func (s State) String() string {
	switch s {
	case Joining:
		return "joining"
	case Consuming:
		return "consuming"
	case Draining:
		return "draining"
	default:
		return "stopped"
	}
}

// New makes a worker. Nothing runs before Run.
func New(o Options, p Parts) *Worker {
	w := &Worker{
		options: o, source: p.Source, decoder: p.Decoder, catalogue: p.Catalogue, accounts: p.Accounts,
		unknownFields: map[string]schemas.UnknownFields{}, gate: p.Gate, ledger: p.Ledger, caller: p.Caller,
		letters: p.Letters, results: p.Results, observer: p.Observer, policy: o.Policy, timeout: o.Timeout,
		trouble: newTrouble(p.Logger), log: p.Logger,
		recording: deadline{after: recordTimeout}, claiming: deadline{after: claimTimeout},
	}
	w.kafka = newKafkaTrouble(w.trouble)
	for _, t := range p.Catalogue.Types() {
		w.unknownFields[t.Name] = schemas.UnknownReject
		if u, ok := o.UnknownFields[t.Name]; ok {
			w.unknownFields[t.Name] = u
		}
	}
	w.bounds = newBounds(o.MaxBufferedBytes, o.MaxUnsettled, o.MaxSpan)
	// Attempts that only record their outcome need no slot of the gate, but are bounded too: what is not recorded yet is
	// what a crash sends again.
	spare := max(256, o.Concurrency)
	limit := o.Concurrency + spare
	w.jobs = make(chan job, limit)
	w.schedule = newSchedule(p.Gate, limit, spare, w.bounds, w.hand)
	w.metrics = newMetrics(p.Registerer, w, p.Catalogue, p.Topics)
	return w
}

// Run consumes until ctx ends, then drains: it stops fetching, lets calls in flight finish within the drain's time, commits
// and leaves the group. It returns nil after a clean stop.
func (w *Worker) Run(ctx context.Context) error {
	// Attempts are not cancelled by ctx: they get the drain's time.
	loopCtx, stopLoop := context.WithCancel(context.WithoutCancel(ctx))
	var loop sync.WaitGroup
	loop.Go(func() { w.schedule.loop(loopCtx) })
	defer func() {
		stopLoop()
		loop.Wait()
		close(w.jobs)
		w.workers.Wait()
		w.setState(Stopped)
	}()
	for {
		g, err := w.source.Next(ctx)
		switch {
		case ctx.Err() != nil:
			if g != nil {
				g.Release()
			}
			return nil
		case err != nil:
			w.mu.Lock()
			w.joinErr = err
			w.mu.Unlock()
			w.kafka.failed(requestJoin, "no assignment from the consumer group", err)
			if !pause(ctx, joinRetry) {
				return nil
			}
			continue
		}
		w.kafka.worked(requestJoin, "the group gave an assignment")
		w.generation(ctx, g)
		if ctx.Err() != nil {
			return nil
		}
		w.setState(Joining)
		w.metrics.rebalances.Inc()
	}
}

func (w *Worker) setState(s State) {
	w.mu.Lock()
	w.state, w.joinErr = s, nil
	w.mu.Unlock()
}

// State says where the worker stands with its group.
func (w *Worker) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// JoinError is why the worker has no assignment, as far as it is known; nil while it has one.
func (w *Worker) JoinError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.joinErr
}

// Waiting counts the keys whose next event waits, by what for.
func (w *Worker) Waiting() map[string]int { return w.schedule.stalled() }

// Ticked is when the main loop last ran: at most a second ago while the worker is well.
func (w *Worker) Ticked() time.Time { return w.schedule.ticked() }

// String names a partition as topic/partition.
func (tp TopicPartition) String() string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }
