package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/toprelay/worker/internal/broker"
)

// run is one measurement of the worker.
type run struct {
	flight    int
	latency   time.Duration
	hang      string        // calls that hold this text never get a reply
	expect    float64       // events a second, about
	events    int           // 0: as many as the expected rate needs
	stopAfter time.Duration // do not wait for all events
	paced     bool          // events come at the expected rate instead of all before
	twice     bool          // every event twice; the second time is measured
}

// got is what it brought.
type got struct {
	rate   float64
	cpu    time.Duration // of the worker, an event
	peak   int64         // bytes
	result workerResult
}

// worker runs the worker once, with a broker and topics of its own.
func (b *bench) worker(ctx context.Context, r run) (g got, err error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Minute)
	defer cancel()
	b.runs++
	name := fmt.Sprintf("run%d", b.runs)
	kafka, err := start(ctx, "broker")
	if err != nil {
		return g, err
	}
	defer func() { _, _ = kafka.stop() }()
	addr, err := kafka.line()
	if err != nil {
		return g, err
	}
	b.broker = addr[0]
	if err := b.stub.set(ctx, r.latency, r.hang); err != nil {
		return g, err
	}
	n := r.events
	if n == 0 {
		n = int(r.expect * (b.duration + warmUp).Seconds())
	}
	first := n
	if r.paced {
		first = 0
	}
	fresh := func(i int) (int, int) { return i, i % sampleKeys }
	if err := fill(ctx, b.broker, name, first, fresh); err != nil {
		return g, err
	}
	config, err := b.configure(name, r.flight)
	if err != nil {
		return g, err
	}
	args := []string{"-config", config}
	if b.profiles != "" {
		args = append(args, "-profile", b.profiles)
	}
	w, err := start(ctx, "worker", args...)
	if err != nil {
		return g, err
	}
	switch {
	case r.paced:
		err = b.pace(ctx, name, n, r.expect)
	case r.twice:
		if err = b.until(ctx, w, float64(n), nil); err == nil {
			g, err = b.secondTime(ctx, w, name, n)
		}
	case r.stopAfter > 0:
		err = sleep(ctx, r.stopAfter)
	default:
		g, err = b.window(ctx, w, n)
	}
	if err == nil {
		_, g.peak, err = w.usage()
	}
	printed, stopErr := w.stop()
	if err = errors.Join(err, stopErr); err != nil {
		return g, err
	}
	return g, json.Unmarshal(printed, &g.result)
}

// window measures rate and CPU between the first tenth of n calls and the last.
func (b *bench) window(ctx context.Context, w *child, n int) (g got, err error) {
	type mark struct {
		calls int64
		at    time.Time
		cpu   time.Duration
	}
	take := func(share float64) (m mark, err error) {
		err = b.until(ctx, w, share*float64(n), func(calls int64) error {
			m.calls, m.at = calls, time.Now()
			m.cpu, _, err = w.usage()
			return err
		})
		return m, err
	}
	from, err := take(0.1)
	if err != nil {
		return g, err
	}
	to, err := take(0.9)
	if err != nil {
		return g, err
	}
	calls := float64(to.calls - from.calls)
	g.rate = calls / to.at.Sub(from.at).Seconds()
	g.cpu = time.Duration(float64(to.cpu-from.cpu) / calls)
	return g, nil
}

// until waits until the gateway has had n calls.
func (b *bench) until(ctx context.Context, w *child, n float64, then func(calls int64) error) error {
	for {
		calls, err := b.stub.calls(ctx)
		if err != nil {
			return err
		}
		if float64(calls) >= n {
			if then == nil {
				return nil
			}
			return then(calls)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("the worker made %d of %.0f calls: %w", calls, n, err)
		}
	}
}

// secondTime publishes all events again and measures until they are committed: the gateway sees none of them.
func (b *bench) secondTime(ctx context.Context, w *child, name string, n int) (g got, err error) {
	client, err := broker.NewClient(broker.Config{Brokers: []string{b.broker}})
	if err != nil {
		return g, err
	}
	defer client.Close()
	committed := func() (sum int64, err error) {
		offsets, err := client.GroupOffsets(ctx, name)
		for _, o := range offsets {
			sum += o
		}
		return sum, err
	}
	writer := client.NewWriter()
	defer writer.Close()
	out := make([]broker.Outgoing, n)
	for i := range out {
		out[i] = broker.Outgoing{Topic: name, Partition: broker.ByKey, Record: sample(i, i%sampleKeys)}
	}
	before, _, err := w.usage()
	if err != nil {
		return g, err
	}
	start := time.Now()
	for _, err := range writer.WriteAll(ctx, out) {
		if err != nil {
			return g, err
		}
	}
	for {
		sum, err := committed()
		if err != nil {
			return g, err
		}
		if sum >= int64(2*n) {
			break
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return g, err
		}
	}
	took := time.Since(start)
	after, _, err := w.usage()
	if err != nil {
		return g, err
	}
	if calls, err := b.stub.calls(ctx); err != nil || calls != int64(n) {
		return g, fmt.Errorf("%d calls for %d events that came twice: %w", calls, n, err)
	}
	g.rate, g.cpu = float64(n)/took.Seconds(), (after-before)/time.Duration(n)
	return g, nil
}

// pace publishes n events at a rate.
func (b *bench) pace(ctx context.Context, name string, n int, rate float64) error {
	client, err := broker.NewClient(broker.Config{Brokers: []string{b.broker}})
	if err != nil {
		return err
	}
	defer client.Close()
	w := client.NewWriter()
	defer w.Close()
	begin := time.Now()
	for sent := 0; sent < n; {
		due := min(int(time.Since(begin).Seconds()*rate), n)
		var out []broker.Outgoing
		for ; sent < due; sent++ {
			out = append(out, broker.Outgoing{Topic: name, Partition: broker.ByKey, Record: sample(sent, sent%sampleKeys)})
		}
		for _, err := range w.WriteAll(ctx, out) {
			if err != nil {
				return err
			}
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return b.until(ctx, nil, float64(n), nil)
}

// configure writes the configuration of a run: as it ships, without rate limit.
func (b *bench) configure(name string, flight int) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "toprelay.yaml")
	return path, os.WriteFile(path, fmt.Appendf(nil, `
kafka: {brokers: [%q], group_id: %s, topics: [%s], dead_letter_topic: %s.dead, actions_topic: %s.actions}
top:
  gateway: %s/router/rest
  accounts: {default: {app_key: %q, app_secret_file: ../secret, session_file: ../session}}
  rate_limit: {per_second: 0}
qimen: {outbound: {gateway: %s/router/qm, target_app_key: "87654321"}}
consumer: {concurrency: %d}
dedup: {path: ledger.db}
ops: {listen: 127.0.0.1:0}
`, b.broker, name, name, name, name, b.stub.gateway, benchAppKey, b.stub.gateway, flight), 0o600)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
