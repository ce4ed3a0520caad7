package app

import (
	"os"
	"runtime/debug"

	"github.com/toprelay/worker/internal/config"
)

const (
	// gcPercent: the collector runs seldom while there is room; it is a tenth of an event's cost at Go's own 100.
	gcPercent = 400
	// baseMemory is what the worker needs beside the events that wait, in bytes.
	baseMemory = 48 << 20
)

// TuneMemory lets the heap grow up to a soft limit that follows from consumer.max_buffered_bytes, before the collector
// works harder. Whoever sets GOGC or GOMEMLIMIT has the last word. It concerns the whole process.
func TuneMemory(c *config.Config) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(gcPercent)
	debug.SetMemoryLimit(baseMemory + int64(c.Consumer.MaxBufferedBytes))
}
