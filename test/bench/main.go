// Command bench measures the worker in one run on one machine, against a raw loop that makes the same calls to the same
// gateway, and prints a table. `make bench` runs it; docs/performance.md says what the figures mean.
//
// Everything that is not measured runs in processes of its own: the gateway, which answers with replies that were built
// beforehand, and the embedded broker. The worker is this binary too, with the worker's own code and a real SQLite ledger.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	role := flag.String("role", "", "for the bench itself: the process to be (stub, broker, raw, worker)")
	config := flag.String("config", "", "for the bench itself: configuration of the worker")
	gateway := flag.String("gateway", "", "for the bench itself: URL of the gateway")
	concurrency := flag.Int("concurrency", 256, "for the bench itself: calls in flight of the raw loop")
	seconds := flag.Float64("seconds", 10, "length of each measurement")
	backlog := flag.Int("backlog", 1_000_000, "events of the memory measurement")
	only := flag.String("only", "", "letters of the measurements to make, such as ab; all where empty")
	out := flag.String("out", "bench.json", "file for the figures as JSON; none where empty")
	profile := flag.String("profile", "", "folder for a CPU profile of the worker in each measurement; none where empty")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	duration := time.Duration(*seconds * float64(time.Second))
	var err error
	switch *role {
	case "stub":
		err = runStub(ctx, os.Stdout)
	case "broker":
		err = runBroker(ctx, os.Stdout)
	case "raw":
		err = runRaw(ctx, os.Stdout, *gateway, *concurrency, duration)
	case "worker":
		err = runWorker(ctx, os.Stdout, *config, *profile)
	case "":
		err = measure(ctx, plan{duration: duration, backlog: *backlog, only: *only, out: *out, profiles: *profile})
	default:
		err = fmt.Errorf("unknown role %q", *role)
	}
	if err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:gocritic // stopped above
	}
}
