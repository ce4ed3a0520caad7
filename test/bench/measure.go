package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	warmUp  = 2 * time.Second
	latency = 50 * time.Millisecond // of the gateway, where it is not zero
)

// plan is what to measure.
type plan struct {
	duration time.Duration
	backlog  int
	only     string
	out      string
	profiles string
}

// bench is a run: the gateway and the broker that all measurements use, and what was measured.
type bench struct {
	plan
	stub   remoteStub
	broker string
	dir    string
	runs   int
	report report
}

// measure makes all measurements and prints them.
func measure(ctx context.Context, p plan) error {
	dir, err := os.MkdirTemp("", "toprelay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{plan: p, dir: dir}
	stub, err := start(ctx, "stub")
	if err != nil {
		return err
	}
	defer func() { _, _ = stub.stop() }()
	addrs, err := stub.line()
	if err != nil {
		return err
	}
	b.stub = remoteStub{gateway: "http://" + addrs[0], control: addrs[1]}
	for name, content := range map[string]string{"secret": benchSecret, "session": benchSession} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	for _, m := range []struct {
		letter string
		make   func(context.Context) error
	}{
		{"a", b.throughput}, {"b", b.cpuBound}, {"e", b.memory}, {"f", b.addedLatency}, {"g", b.duplicates},
	} {
		if p.only != "" && !strings.Contains(p.only, m.letter) {
			continue
		}
		if err := m.make(ctx); err != nil {
			return fmt.Errorf("measurement %s: %w", m.letter, err)
		}
	}
	b.report.print(os.Stdout)
	if p.out == "" {
		return nil
	}
	text, err := json.MarshalIndent(b.report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(p.out, append(text, '\n'), 0o644)
}

// throughput is (a) and (c) and (d): events a second at 50 ms with 256 and 1,024 calls in flight, against Little's law and
// the raw loop; the same with one key that hangs; and the CPU time of an event.
func (b *bench) throughput(ctx context.Context) error {
	for _, in := range []struct {
		flight int
		target float64
	}{{256, 0.95}, {1024, 0.80}} {
		little := float64(in.flight) / latency.Seconds()
		raw, err := b.raw(ctx, in.flight, latency)
		if err != nil {
			return err
		}
		got, err := b.worker(ctx, run{flight: in.flight, latency: latency, expect: min(little, raw.rate())})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("events/s, %d in flight at 50 ms", in.flight)
		b.report.add("a", name, got.rate, "1/s", got.rate/min(little, raw.rate()), in.target,
			fmt.Sprintf("of the smaller of Little's law %.0f and the raw loop %.0f", little, raw.rate()))
		if in.flight != 256 {
			continue
		}
		b.report.add("d", "CPU of the worker per event", got.cpu.Seconds()*1e6, "µs", 200/(got.cpu.Seconds()*1e6), 1, "of at most 200 µs")
		hung, err := b.worker(ctx, run{flight: in.flight, latency: latency, expect: got.rate, hang: "WS1000002"})
		if err != nil {
			return err
		}
		b.report.add("c", "events/s while one key's calls hang", hung.rate, "1/s", hung.rate/got.rate, 0.98, "of the rate without it")
	}
	return nil
}

// cpuBound is (b): events a second when the gateway answers at once.
func (b *bench) cpuBound(ctx context.Context) error {
	raw, err := b.raw(ctx, 64, 0)
	if err != nil {
		return err
	}
	got, err := b.worker(ctx, run{flight: 64, expect: raw.rate()})
	if err != nil {
		return err
	}
	b.report.add("b", "events/s, gateway at 0 ms", got.rate, "1/s", got.rate/raw.rate(), 0.6,
		fmt.Sprintf("of the raw loop %.0f, which uses %.0f µs CPU a call; the worker %.0f", raw.rate(), raw.CPUSeconds/float64(raw.Calls)*1e6, got.cpu.Seconds()*1e6))
	return nil
}

// memory is (e): the peak of resident memory with a long backlog.
func (b *bench) memory(ctx context.Context) error {
	got, err := b.worker(ctx, run{flight: 256, latency: latency, events: b.backlog, stopAfter: 2 * b.duration})
	if err != nil {
		return err
	}
	mib := float64(got.peak) / (1 << 20)
	b.report.add("e", fmt.Sprintf("peak memory, backlog of %d events", b.backlog), mib, "MiB", 150/mib, 1, "of at most 150 MiB")
	return nil
}

// addedLatency is (f): what the worker adds between fetching an event and its call, at half of what 256 calls can carry.
func (b *bench) addedLatency(ctx context.Context) error {
	got, err := b.worker(ctx, run{flight: 256, latency: latency, expect: 256 / latency.Seconds() / 2, paced: true})
	if err != nil {
		return err
	}
	ms := got.result.WaitP99.Seconds() * 1e3
	b.report.add("f", "added latency at half load, p99", ms, "ms", 5/ms, 1, fmt.Sprintf("of at most 5 ms; p50 %.2f ms", got.result.WaitP50.Seconds()*1e3))
	return nil
}

// duplicates is (g): what an event costs that was delivered before.
func (b *bench) duplicates(ctx context.Context) error {
	got, err := b.worker(ctx, run{flight: 256, expect: 5000, twice: true})
	if err != nil {
		return err
	}
	b.report.add("g", "duplicates/s", got.rate, "1/s", 0, 0, fmt.Sprintf("%.0f µs CPU of the worker each", got.cpu.Seconds()*1e6))
	return nil
}

// raw runs the raw loop.
func (b *bench) raw(ctx context.Context, flight int, latency time.Duration) (rawResult, error) {
	var r rawResult
	if err := b.stub.set(ctx, latency, ""); err != nil {
		return r, err
	}
	c, err := start(ctx, "raw", "-gateway", b.stub.gateway, "-concurrency", fmt.Sprint(flight), "-seconds", fmt.Sprint(b.duration.Seconds()))
	if err != nil {
		return r, err
	}
	printed, err := c.wait()
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(printed, &r)
}
