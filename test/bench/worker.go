package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
)

// watch counts what the worker settles.
type watch struct {
	mu       sync.Mutex
	outcomes map[string]int
	waits    []time.Duration // from fetching to the call, of the last events
	next     int
}

const keptWaits = 200_000

// Settled implements consumer.Observer.
func (w *watch) Settled(s consumer.Settled) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outcomes[s.Outcome.String()]++
	if len(w.waits) < keptWaits {
		w.waits = append(w.waits, s.Waited)
	} else {
		w.waits[w.next%keptWaits] = s.Waited
		w.next++
	}
}

// Attempted implements consumer.Observer.
func (w *watch) Attempted(consumer.Attempted) {}

// workerResult is what the worker prints when it ends.
type workerResult struct {
	Outcomes map[string]int
	WaitP50  time.Duration
	WaitP99  time.Duration
}

// runWorker runs the worker as `worker run` does, log included, and prints what it settled.
func runWorker(ctx context.Context, out io.Writer, path, profile string) error {
	c, err := config.Load(config.Options{Path: path})
	if err != nil {
		return err
	}
	defer app.TuneMemory(c)()
	if profile != "" {
		runtime.MemProfileRate = 64 << 10
		name := filepath.Join(profile, filepath.Base(filepath.Dir(path)))
		f, err := os.Create(name + ".pprof")
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		allocs, err := os.Create(name + ".allocs.pprof")
		if err != nil {
			return err
		}
		defer allocs.Close()
		defer func() { _ = pprof.Lookup("allocs").WriteTo(allocs, 0) }()
	}
	file, err := os.Create(filepath.Join(filepath.Dir(path), "worker.log"))
	if err != nil {
		return err
	}
	defer file.Close()
	log := app.NewLog(file, c.Log)
	defer log.Close()
	w := &watch{outcomes: map[string]int{}}
	if err := app.Run(ctx, app.Options{Config: c, Logger: log.Logger, Version: "bench", Observer: w}); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	r := workerResult{Outcomes: w.outcomes}
	if n := len(w.waits); n > 0 {
		slices.Sort(w.waits)
		r.WaitP50, r.WaitP99 = w.waits[n/2], w.waits[n*99/100]
	}
	return json.NewEncoder(out).Encode(r)
}
