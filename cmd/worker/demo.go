package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/toprelay/worker/internal/demo"
)

func newDemoCommand(c *cli) *cobra.Command {
	var rate float64
	var duration time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run the main job with everything embedded, and watch it",
		Long: `Runs an embedded Kafka, the simulator of the platform, the worker, and a publisher of sample events of
all five types, and shows what happens: what is delivered, recognised as a duplicate, retried, paused
and why, dead-lettered and why. Each minute some things go wrong on purpose: a malformed and an invalid
event, a refused order, a ban of the platform, an outage of ten seconds. The outage makes dead letters
of service orders only, whose call may have run and must not be repeated.

Nothing is needed and nothing is left behind. Ports that are taken are replaced by free ones.`,
		Example: `  worker demo
  worker demo --rate 100
  worker demo --duration 2m > demo.log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if rate <= 0 || rate > 5000 {
				return withCode(exitUsage, fmt.Errorf("--rate %g: use a number above 0 and up to 5000", rate))
			}
			o := demo.Options{Rate: rate, Duration: duration, Out: c.stdout, Version: version}
			if f, ok := c.stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
				o.Terminal = true
				if width, _, err := term.GetSize(int(f.Fd())); err == nil {
					o.Width = width
				}
			}
			return runError(demo.Run(cmd.Context(), o))
		},
	}
	cmd.Flags().Float64Var(&rate, "rate", 20, "events a second")
	cmd.Flags().DurationVar(&duration, "duration", 0, "stop after this time; 0 = run until Ctrl-C")
	return cmd
}
