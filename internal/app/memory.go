package app

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/toprelay/worker/internal/config"
)

const (
	// gcPercent: the collector runs seldom while there is room. At Go's own 100 it is a tenth of an event's cost.
	gcPercent = 400
	// baseMemory is what the worker needs beside the events that wait and the calls in flight, in bytes.
	baseMemory = 32 << 20
	// callMemory is what a call in flight needs, with its connection and its goroutines, in bytes.
	callMemory = 64 << 10
	// memoryLook is how often the limit is compared with what is in use.
	memoryLook = time.Second
)

// TuneMemory lets the heap grow up to a soft limit that follows from the configuration before the collector works harder.
// Whoever sets GOGC or GOMEMLIMIT has the last word. It concerns the whole process, until the returned function is called.
func TuneMemory(c *config.Config) (stop func()) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	percent := debug.SetGCPercent(gcPercent)
	limit := baseMemory + int64(c.Consumer.MaxBufferedBytes) + int64(c.Consumer.Concurrency)*callMemory
	before := debug.SetMemoryLimit(limit)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepLimit(ctx, limit)
	}()
	return func() {
		cancel()
		<-done
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(before)
	}
}

// keepLimit raises the limit while it is too low for what is in use. A collector that runs against a limit without room takes
// half of the CPU and frees nothing: with 1,024 calls in flight and 112 MiB, a sixth of the events came through.
func keepLimit(ctx context.Context, limit int64) {
	ticker := time.NewTicker(memoryLook)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			debug.SetMemoryLimit(max(limit, enough(inUse())))
		}
	}
}

// memoryInUse is what the Go runtime holds, in bytes.
type memoryInUse struct {
	live  uint64 // heap that the last collection found in use
	other uint64 // beside the heap: stacks and the runtime's own
}

// enough is a limit with which the collector works no harder than it does by itself.
func enough(m memoryInUse) int64 {
	if sum := 2*m.live + m.other; sum < math.MaxInt64 {
		return int64(sum)
	}
	return math.MaxInt64
}

func inUse() memoryInUse {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	m := memoryInUse{live: samples[0].Value.Uint64(), other: samples[1].Value.Uint64()}
	for _, heap := range samples[2:] {
		m.other -= min(m.other, heap.Value.Uint64())
	}
	return m
}
