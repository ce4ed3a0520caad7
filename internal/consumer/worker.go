package consumer

import (
	"context"
	"errors"
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

const (
	// leaseMargin is what a claim may last beyond the call's time-out (contract section 7, promise 5).
	leaseMargin = 5 * time.Second
	ledgerRetry = time.Second
	writeRetry  = time.Second
	joinRetry   = time.Second
	// busyRetry is how often the id of another event's call is looked at.
	busyRetry = 100 * time.Millisecond
	// hardStop is how long attempts that were cancelled at the end of the drain have to return.
	hardStop = 5 * time.Second
)

// errDrained is the cause with which attempts are cancelled when the drain's time is over. Interrupted work is no failure.
var errDrained = errors.New("the worker stops, or has lost the partition, and the drain's time is over")

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
	log      *slog.Logger

	jobs     chan job
	idle     atomic.Int64
	workers  sync.WaitGroup
	attempts atomic.Pointer[context.Context]

	mu    sync.Mutex
	parts []*partition // of the present generation
	state State
}

// State is where the worker stands with its group.
type State uint8

const (
	Joining State = iota // waits for an assignment
	Consuming
	Draining
	Stopped
)

// job is one attempt to make.
type job struct {
	lane   *lane
	item   *item
	permit *retry.Permit
}

// New makes a worker. Nothing runs before Run.
func New(o Options, p Parts) *Worker {
	w := &Worker{
		options: o, source: p.Source, decoder: p.Decoder, catalogue: p.Catalogue, accounts: p.Accounts,
		unknownFields: map[string]schemas.UnknownFields{}, gate: p.Gate, ledger: p.Ledger, caller: p.Caller,
		letters: p.Letters, results: p.Results, observer: p.Observer, policy: o.Policy, timeout: o.Timeout,
		trouble: newTrouble(p.Logger), log: p.Logger,
	}
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
			w.trouble.report("join", "no assignment from the consumer group", err)
			if !pause(ctx, joinRetry) {
				return nil
			}
			continue
		}
		w.trouble.over("join", "the group gave an assignment")
		w.generation(ctx, g)
		if ctx.Err() != nil {
			return nil
		}
		w.setState(Joining)
		w.metrics.rebalances.Inc()
	}
}

// generation consumes one assignment until the group rebalances or ctx ends.
func (w *Worker) generation(ctx context.Context, g Generation) {
	defer g.Release()
	hard := context.WithoutCancel(ctx)
	attempts, cancelAttempts := context.WithCancelCause(hard)
	defer cancelAttempts(nil)
	w.attempts.Store(&attempts)

	var parts []*partition
	for _, a := range g.Assignments() {
		parts = append(parts, newPartition(a))
	}
	w.mu.Lock()
	w.parts, w.state = parts, Consuming
	w.mu.Unlock()
	w.metrics.own(parts)
	w.log.Info("consuming", "partitions", len(parts))

	fetching, stopFetching := context.WithCancel(ctx)
	var fetchers, commits sync.WaitGroup
	for _, p := range parts {
		fetchers.Go(func() { w.fetch(fetching, g, p) })
	}
	stopCommits := make(chan struct{})
	commits.Go(func() { w.commitLoop(hard, g, parts, stopCommits) })

	select {
	case <-ctx.Done():
		w.setState(Draining)
	case <-g.Ended():
	}
	stopFetching()
	fetchers.Wait()
	w.drain(parts, cancelAttempts)
	close(stopCommits)
	commits.Wait()

	w.mu.Lock()
	w.parts = nil
	w.mu.Unlock()
	w.metrics.forget(parts)
	for _, p := range parts {
		w.trouble.end(p.trouble("stall"))
		w.trouble.end(p.trouble("fetch"))
	}
}

// drain lets go of all partitions: waiting events are dropped at once, attempts being made get the drain's time and are
// then cancelled.
func (w *Worker) drain(parts []*partition, cancelAttempts context.CancelCauseFunc) {
	var running []<-chan struct{}
	for _, p := range parts {
		running = append(running, w.schedule.drop(p))
	}
	soft := time.NewTimer(w.options.DrainTimeout)
	defer soft.Stop()
	hard := time.NewTimer(w.options.DrainTimeout + hardStop)
	defer hard.Stop()
	for _, done := range running {
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			case <-soft.C:
				cancelAttempts(errDrained)
			case <-hard.C:
				w.log.Error("attempts did not end although they were cancelled; their events stay unsettled")
				return
			}
		}
	}
}

// hand gives an attempt to a goroutine. The schedule never has more attempts under way than jobs has places.
func (w *Worker) hand(j job) {
	if w.idle.Add(-1) < 0 {
		w.idle.Add(1)
		w.workers.Go(w.work)
	}
	w.jobs <- j
}

// work makes attempts until the worker stops. Its goroutine is kept, with the stack that a call has grown.
func (w *Worker) work() {
	for j := range w.jobs {
		w.make(j)
		w.idle.Add(1)
	}
}

// make makes one attempt, records its outcome, and gives the lane back.
func (w *Worker) make(j job) {
	ctx := *w.attempts.Load()
	it := j.item
	out := w.attempt(ctx, it, j.permit)
	// What an attempt found out is recorded even where the drain's time is over.
	recording, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	out = w.record(recording, it, out)
	cancel()
	if out.Kind != NotSettled {
		w.settled(it, out)
	} else if w.observer != nil && out.Wait == WaitRetry && out.Called {
		w.observer.Attempted(attempted(it, out))
	}
	w.schedule.finish(j.lane, out)
}

func attempted(it *item, out Outcome) Attempted {
	return Attempted{
		Type: it.typeLabel(), Key: it.key, Class: out.Reply.Class.String(), Code: out.Reply.Code, SubCode: out.Reply.SubCode,
		Attempts: out.History.Attempts, Wait: time.Until(out.Until),
	}
}

// recordTimeout bounds the writes that record one outcome.
const recordTimeout = 15 * time.Second

// giveBack returns a permit that was not used for a call.
func (w *Worker) giveBack(permit *retry.Permit) {
	if permit != nil {
		permit.Done(retry.Report{Kind: retry.KindCancelled})
	}
}

// noLedger is the outcome where the ledger does not answer: no calls.
func (w *Worker) noLedger(ctx context.Context, err error) Outcome {
	if ctx.Err() != nil {
		return wait(WaitShutdown, time.Time{})
	}
	w.ledgerAway(err)
	return wait(WaitLedger, time.Now().Add(ledgerRetry))
}

// ledgerAway stops all attempts for a moment: without the ledger there are no calls.
func (w *Worker) ledgerAway(err error) {
	w.trouble.report("ledger", "the ledger does not answer; no calls are made", err)
	w.schedule.away(time.Now().Add(ledgerRetry))
}

func (w *Worker) ledgerWell() { w.trouble.over("ledger", "the ledger answers again") }

// soon is when a busy id is looked at again.
func (w *Worker) soon(until time.Time) time.Time {
	now := time.Now()
	if at := now.Add(busyRetry); !until.After(now) || until.After(at) {
		return at
	}
	return until
}

func (w *Worker) setState(s State) {
	w.mu.Lock()
	w.state = s
	w.mu.Unlock()
}

// State says where the worker stands with its group.
func (w *Worker) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// Waiting counts the keys whose next event waits, by what for.
func (w *Worker) Waiting() map[string]int { return w.schedule.stalled() }

// Ticked is when the main loop last ran: at most a second ago while the worker is well.
func (w *Worker) Ticked() time.Time { return w.schedule.ticked() }

// String names a partition as topic/partition.
func (tp TopicPartition) String() string { return fmt.Sprintf("%s/%d", tp.Topic, tp.Partition) }
