package main

import (
	"errors"
	"os"
	"os/signal"
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

It logs JSON lines on stderr and says "ready" once it consumes. Where Kafka or the gateway is away it
waits, and says so once a minute; missing topics end it with exit code 6 after kafka.topics_timeout.
SIGTERM or SIGINT drains: calls in flight finish, offsets are committed, exit code 0. A second signal
stops at once with exit code 1; what was not committed is consumed again.`,
		Example: `  worker run --config toprelay.yaml
  TOPRELAY_KAFKA__BROKERS=kafka-1:9092,kafka-2:9092 worker run --config toprelay.yaml
  worker run --config toprelay.yaml --set top.dry_run=true --set kafka.group_id=shadow --set dedup.path=/var/lib/toprelay/shadow.db --set ops.listen=127.0.0.1:0`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(config.Options{Path: c.configPath, Env: os.Environ(), Sets: sets})
			if err != nil {
				return withCode(exitConfig, err)
			}
			// A log whose reader has gone must not end the worker, which Go does by this signal.
			signal.Ignore(syscall.SIGPIPE)
			app.TuneMemory(cfg)
			log := app.NewLog(c.stderr, cfg.Log)
			defer log.Close()
			return runError(app.Run(cmd.Context(), app.Options{Config: cfg, Logger: log.Logger, Version: version}))
		},
	}
	cmd.Flags().StringArrayVar(&sets, "set", nil, "set a key of the configuration, such as --set kafka.group_id=test (repeatable)")
	return cmd
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
