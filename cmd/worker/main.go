// Command worker relays events from Kafka to Taobao Open Platform (TOP). One file a command; see `worker help`.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// main makes a context from the signals and exits with a code. The first SIGINT or SIGTERM asks the command to stop; the
// second one stops it at once.
func main() {
	// net/http prints what a gateway sends beyond its Content-Length through the standard logger, personal data included,
	// and can be told otherwise nowhere else. Nothing of ours uses that logger.
	log.SetOutput(io.Discard)
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop()
		<-signals
		if say := lastWords.Load(); say != nil {
			(*say)()
		}
		os.Exit(exitFailed)
	}()
	os.Exit(execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// lastWords is what the command says before a second signal ends it; nil: nothing.
var lastWords atomic.Pointer[func()]
