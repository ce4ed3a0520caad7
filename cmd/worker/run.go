package main

import (
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/config"
)

func newRunCommand(c *cli) *cobra.Command {
	var sets []string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Consume events and relay them to the platform",
		Long: `Consumes the configured topics and relays each event to the platform, until SIGTERM or SIGINT.

It logs JSON lines on stderr, the error that may end it among them, and says "ready" once it consumes.
Where Kafka or the gateway is away it waits, and says so once a minute; missing topics end it with exit
code 6 after kafka.topics_timeout. SIGTERM or SIGINT drains: it says "draining", calls in flight finish,
offsets are committed, it says "stopped", exit code 0. A second signal stops at once with exit code 1;
what was not committed is consumed again.`,
		Example: `  worker run --config toprelay.yaml
  TOPRELAY_KAFKA__BROKERS=kafka-1:9092,kafka-2:9092 worker run --config toprelay.yaml
  worker run --config toprelay.yaml --set top.dry_run=true --set kafka.group_id=shadow --set dedup.path=/var/lib/toprelay/shadow.db --set ops.listen=127.0.0.1:0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Options{Path: c.configPath, Env: os.Environ(), Sets: sets})
			if err != nil {
				log := app.NewLog(c.stderr, config.Default().Log) // that of the configuration cannot be read
				defer log.Close()
				return logEnd(log.Logger, withCode(exitConfig, err))
			}
			// A log whose reader has gone must not end the worker, which Go does by this signal.
			signal.Ignore(syscall.SIGPIPE)
			defer app.TuneMemory(cfg)()
			log := app.NewLog(c.stderr, cfg.Log)
			defer log.Close()
			var running atomic.Pointer[app.App]
			say := func() {
				calls := 0
				if a := running.Load(); a != nil {
					calls = a.CallsInFlight()
				}
				log.Warn("stopped at once by a second signal; what is not committed is consumed again", "calls_in_flight", calls)
				log.Close()
			}
			lastWords.Store(&say)
			defer lastWords.Store(nil)
			return logEnd(log.Logger, runError(app.Run(cmd.Context(), app.Options{
				Config: cfg, Logger: log.Logger, Version: version, Started: running.Store,
			})))
		},
	}
	cmd.Flags().StringArrayVar(&sets, "set", nil, "set a key of the configuration, such as --set kafka.group_id=test (repeatable)")
	return cmd
}

// logEnd logs the error that ends the worker: all that run writes to stderr are lines of its log, and whoever collects them
// reads nothing else. Of a bad configuration each problem is a line.
func logEnd(log *slog.Logger, err error) error {
	if err == nil {
		return nil
	}
	end := &exitError{code: exitFailed, err: err, said: true}
	var coded *exitError
	if errors.As(err, &coded) {
		end.code = coded.code
	}
	var problems config.Problems
	if !errors.As(err, &problems) {
		log.Error("ended by an error", "error", err.Error(), "exit_code", end.code)
		return end
	}
	for _, p := range problems {
		log.Error("the configuration is bad", "problem", p.String(), "exit_code", end.code)
	}
	return end
}

// runError gives an error of app.Run its exit code.
func runError(err error) error {
	var problems config.Problems
	switch {
	case errors.As(err, &problems):
		return withCode(exitConfig, err)
	case errors.Is(err, app.ErrUnreachable):
		return withCode(exitUnreachable, err)
	default:
		return err
	}
}
