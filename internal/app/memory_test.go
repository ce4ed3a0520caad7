package app

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/toprelay/worker/internal/config"
)

// The limit is no lower than what the collector would let there be by itself, and is put back in the end.
func TestTuneMemory(t *testing.T) {
	held := make([]byte, 64<<20)
	runtime.GC()
	m := inUse()
	if m.live < uint64(len(held)) || m.other == 0 || m.other > 256<<20 {
		t.Errorf("in use: %+v with %d bytes held", m, len(held))
	}
	if got := enough(m); got < 2*int64(len(held)) {
		t.Errorf("%d bytes are said to be enough", got)
	}
	if got := enough(memoryInUse{live: math.MaxUint64 / 4, other: math.MaxUint64 / 2}); got != math.MaxInt64 {
		t.Errorf("beyond all: %d", got)
	}
	runtime.KeepAlive(held)

	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	before := debug.SetMemoryLimit(-1)
	c := &config.Config{Consumer: config.Consumer{MaxBufferedBytes: 64 << 20, Concurrency: 256}}
	stop := TuneMemory(c)
	if got := debug.SetMemoryLimit(-1); got != 112<<20 {
		t.Errorf("limit %d, want 112 MiB", got)
	}
	stop()
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("limit %d after the end, want %d", got, before)
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	stop = TuneMemory(c)
	if got := debug.SetMemoryLimit(-1); got != before {
		t.Errorf("limit %d although the operator has set one", got)
	}
	stop()
}
