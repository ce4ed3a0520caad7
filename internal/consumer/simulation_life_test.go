package consumer

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

const (
	simulationSession   = 10 * time.Second // a member that is silent for longer is out of the group
	simulationRebalance = 20 * time.Second // how long a rebalance waits for a member that drains
)

// errDead is what a worker that crashed gets from everything. Nothing that it does has an effect any more.
var errDead = errors.New("the worker has crashed")

// keptGate is what a worker keeps of its gate, as package app does.
type keptGate struct {
	pauses []retry.Pause
	limits []retry.Limit
}

// life is one worker, from its start to its end. Everything that it uses stands behind it, so that it can be made to crash
// (nothing that it does has an effect) and to stall (nothing comes back until it goes on).
type life struct {
	s      *simulation
	n      int
	worker *Worker
	gate   *retry.Gate
	logs   *logLines
	cancel context.CancelFunc
	done   chan error
	saving chan struct{}

	generations chan *lifeGeneration
	current     *lifeGeneration // nil: none
	out         bool            // of the group

	mu               sync.Mutex
	dead             bool
	stall            chan struct{} // not nil: nothing comes back until it is closed
	fetchErr, commit error
	registry         *prometheus.Registry
}

// begin starts a worker; the group rebalances.
func (s *simulation) begin() {
	s.number++
	l := &life{
		s: s, n: s.number, logs: &logLines{}, done: make(chan error, 1), saving: make(chan struct{}),
		generations: make(chan *lifeGeneration, 16), registry: prometheus.NewRegistry(),
	}
	log := slog.New(slog.NewJSONHandler(l.logs, nil))
	o := retry.Options{Concurrency: 6, ProbeInterval: 5 * time.Second, Breaker: retry.BreakerOptions{OpenFor: 2 * time.Second}, Methods: map[string]retry.MethodOptions{}, Logger: log, Registerer: l.registry}
	for _, typ := range catalogue.Types() {
		o.Methods[typ.Method] = retry.MethodOptions{Repeatable: typ.Repeatable}
	}
	l.gate = retry.NewGate(o)
	s.mu.Lock()
	kept := s.kept
	s.mu.Unlock()
	l.gate.Restore(kept.pauses)
	l.gate.RestoreLimits(kept.limits)
	if s.number > 1 && len(l.gate.Pauses()) > 0 {
		s.reach("ban survived a restart", 1)
	}
	l.worker = New(Options{
		Concurrency: 6, MaxBufferedBytes: 1 << 20, MaxUnsettled: 30, MaxSpan: 10_000, DrainTimeout: 5 * time.Second,
		Timeout: func(string) time.Duration { return 10 * time.Second },
		Policy: func(string) retry.Policy {
			return retry.Policy{InitialInterval: time.Second, Multiplier: 2, MaxInterval: 8 * time.Second, MaxAttempts: 3, GiveUpAfter: 4 * time.Second}
		},
	}, Parts{
		Source: l, Decoder: &event.Decoder{}, Catalogue: catalogue,
		Accounts: map[string]*top.Account{"default": account("default"), "other": account("other")},
		Gate:     l.gate, Ledger: lifeLedger{l}, Caller: l, Letters: lifeLetters{l}, Results: lifeResults{l},
		Topics: []string{topic}, Logger: log, Registerer: l.registry,
	})
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go func() { l.done <- l.worker.Run(ctx) }()
	go l.save(ctx)
	s.lives = append(s.lives, l)
	s.rebalance()
}

// save keeps what the gate must not forget, each second.
func (l *life) save(ctx context.Context) {
	defer close(l.saving)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		if l.goOn() == nil {
			kept := keptGate{l.gate.Pauses(), l.gate.Limits()}
			l.s.mu.Lock()
			l.s.kept = kept
			l.s.mu.Unlock()
		}
	}
}

// goOn waits while the worker is stalled. It is an error once the worker has crashed.
func (l *life) goOn() error {
	for {
		l.mu.Lock()
		dead, stall := l.dead, l.stall
		l.mu.Unlock()
		switch {
		case dead:
			return errDead
		case stall == nil:
			return nil
		}
		<-stall
	}
}

func (l *life) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stall != nil {
		close(l.stall)
		l.stall = nil
	}
}

func (l *life) setFailing(fetch, commit error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fetchErr, l.commit = fetch, commit
}

func (l *life) failing() (fetch, commit error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fetchErr, l.commit
}

// crash ends a worker as kill -9 does. The group learns of it when the session time-out is over.
func (s *simulation) crash(l *life) {
	s.reach("crash", 1)
	if s.plat.inFlight(l.n) > 0 {
		s.reach("crash during a call", 1)
	}
	s.crashes++
	l.mu.Lock()
	l.dead = true
	l.mu.Unlock()
	l.resume()
	s.end(l)
	if !s.shared { // the embedded ledger's successor takes over at once
		s.ledger.restarted()
	}
	s.pass(simulationSession)
}

// stop stops a worker in order.
func (s *simulation) stop(l *life) {
	l.resume()
	s.end(l)
}

func (s *simulation) end(l *life) {
	l.cancel()
	if err := <-l.done; err != nil {
		s.t.Errorf("worker %d: Run = %v", l.n, err)
	}
	<-l.saving
	l.out = true
	s.note(l)
	for i, other := range s.lives {
		if other == l {
			s.lives = append(s.lives[:i:i], s.lives[i+1:]...)
		}
	}
}

// stall stops a worker for a time, as SIGSTOP does, and lets it go on. If that is longer than the session time-out, the
// group goes on without it.
func (s *simulation) stall(l *life, d time.Duration) {
	s.reach("zombie", 1)
	l.mu.Lock()
	l.stall = make(chan struct{})
	l.mu.Unlock()
	if d > simulationSession {
		s.crashes++ // its claims may run out
		s.pass(simulationSession)
		l.out = true
		if s.shared && s.dice.IntN(2) == 0 {
			s.begin()
		} else {
			s.rebalance()
		}
		d -= simulationSession
	}
	s.pass(d)
	l.resume()
	s.pass(time.Second)
	if l.out {
		l.out = false
		s.rebalance()
	}
}

// note takes over what the worker's log and metrics say.
func (s *simulation) note(l *life) {
	text := l.logs.String()
	s.reach("claim lost", strings.Count(text, "a claim ran out during its call"))
	s.reach("result written again", strings.Count(text, "the results topic takes results again"))
	s.reach("commit failed", strings.Count(text, "committing offsets fails"))
	families, err := l.registry.Gather()
	if err != nil {
		s.t.Error(err)
	}
	for _, f := range families {
		if f.GetName() != "toprelay_breaker_transitions_total" {
			continue
		}
		to := map[string]float64{}
		for _, m := range f.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == "to" {
					to[label.GetValue()] += m.GetCounter().GetValue()
				}
			}
		}
		if to["half_open"] > to["closed"] {
			s.reach("probe of an open breaker failed", 1)
		}
	}
}

// stalled says whether a bound has stopped the worker's fetch.
func (l *life) stalled() bool {
	return len(l.logs.with(l.s.t, "a bound stops the fetch of a partition")) > 0
}

// rebalance gives every member an assignment anew, as the group's coordinator does: it waits until all have released the
// one before, at most the rebalance time-out, and puts those out that have not.
func (s *simulation) rebalance() {
	s.reach("rebalance", 1)
	var members []*life
	for _, l := range s.lives {
		if g := l.current; g != nil {
			g.end()
		}
		if !l.out {
			members = append(members, l)
		}
	}
	for deadline := time.Now().Add(simulationRebalance); time.Now().Before(deadline); s.pass(100 * time.Millisecond) {
		waiting := false
		for _, l := range members {
			waiting = waiting || l.current != nil && !l.current.inner.isReleased()
		}
		if !waiting {
			break
		}
	}
	for _, l := range s.lives {
		if l.current != nil {
			l.current.fence()
			l.current = nil
		}
	}
	if len(members) == 0 {
		return
	}
	parts := make([][]TopicPartition, len(members))
	for p := range 3 {
		i := (p + s.dice.IntN(len(members))) % len(members)
		parts[i] = append(parts[i], part(p))
	}
	for i, l := range members {
		g := &lifeGeneration{l: l, inner: &fakeGeneration{kafka: s.kafka, tps: parts[i], ended: make(chan struct{}), batch: 20}}
		l.current = g
		l.generations <- g
	}
	s.pass(0)
}

// Next implements Source.
func (l *life) Next(ctx context.Context) (Generation, error) {
	select {
	case g := <-l.generations:
		if err := l.goOn(); err != nil {
			return nil, err
		}
		k := l.s.kafka
		k.mu.Lock()
		defer k.mu.Unlock()
		for _, tp := range g.inner.tps {
			g.inner.assignments = append(g.inner.assignments, Assignment{TopicPartition: tp, Offset: k.committed[tp]})
		}
		return g, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Close implements Source.
func (l *life) Close() error { return nil }

// Call implements Caller. The call goes on at the platform when its worker has crashed or given up.
func (l *life) Call(ctx context.Context, a *top.Account, t *schemas.Type, p top.Payload) top.Reply {
	if l.goOn() != nil {
		return top.Reply{Class: top.ClassCancelled, NothingRan: true, Err: errDead}
	}
	replied := make(chan top.Reply, 1)
	go func() { replied <- l.s.plat.call(l.n, a, t, p) }()
	select {
	case r := <-replied:
		if l.goOn() != nil {
			return top.Reply{Class: top.ClassCancelled, Written: true, Err: errDead}
		}
		l.s.plat.told(l.n, a, t, r)
		return r
	case <-ctx.Done():
		return top.Reply{Class: top.ClassCancelled, Written: true, Err: ctx.Err()}
	}
}
