package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/check"
)

// checkFlags are the flags of worker check.
type checkFlags struct {
	config  *configFlags
	only    []string
	timeout time.Duration
	running bool
	url     string
}

func newCheckCommand(c *cli) *cobra.Command {
	f := checkFlags{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check everything that a worker needs, one line each",
		Long: `Looks at everything that 'worker run' needs with this configuration, and says in one line each whether it is well (✓),
doubtful (!) or wrong (✗), and what to do. Nothing is changed, no group is joined and no signed call is made, so that it
can be used beside a running worker.

  configuration  every key, and what does not go together
  files          the files with secrets: there, not empty, closed to others
  ledger         the folder can be written, and who has the ledger; or Redis: login, version, settings
  kafka          each broker: name, connection, TLS, login; the group
  topics         those that are consumed and written, their settings, the leaders of the partitions
  gateway        TOP's gateway answers; no call is made
  qimen          the Qimen gateway, where it is configured
  clock          this machine's clock against the gateway's: a warning from a minute on, wrong from ten minutes on
  sessions       accounts without a session, though there are types that need one

With a configuration that cannot be read there is a line for each thing that is wrong with it, and nothing else is looked
at.

With --running it asks a worker that runs, at /readyz, whether it is ready, and says what it lacks: the health check of a
container.

Exit codes: 0 all is well or doubtful at most, 78 the configuration is bad, 6 something does not answer or topics are
missing, 1 something else is wrong; with several the first of these. With --running: 0 ready, 1 not ready, 6 nobody answers.`,
		Example: `  worker check --config toprelay.yaml
  worker check --config toprelay.yaml -o json | jq '.findings[] | select(.status != "ok")'
  worker check --config toprelay.yaml --only kafka,topics
  worker check --running
  worker check --running --url http://127.0.0.1:8080 -o json`,
		Args: cobra.NoArgs,
	}
	f.config = addConfigFlags(c, cmd)
	flags := cmd.Flags()
	flags.StringSliceVar(&f.only, "only", nil, "make only these checks, such as kafka,topics")
	flags.DurationVar(&f.timeout, "timeout", 5*time.Second, "how long each thing that is asked has to answer")
	flags.BoolVar(&f.running, "running", false, "ask a running worker whether it is ready")
	flags.StringVar(&f.url, "url", "", "with --running: where it listens; from ops.listen of the configuration where not given")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.refuse(cmd); err != nil {
			return withCode(exitUsage, err)
		}
		if f.running {
			return f.askRunning(cmd.Context(), c)
		}
		return f.report(cmd.Context(), c)
	}
	return cmd
}

// refuse finds flags that make no sense, alone or together.
func (f *checkFlags) refuse(cmd *cobra.Command) error {
	if f.timeout <= 0 {
		return errors.New("--timeout must be above 0")
	}
	for _, name := range f.only {
		if !slices.Contains(check.Names(), name) {
			return fmt.Errorf("--only %s: there is no such check; use some of %s", name, strings.Join(check.Names(), ", "))
		}
	}
	switch {
	case f.running && len(f.only) > 0:
		return errors.New("--only goes with the checks, not with --running")
	case !f.running && cmd.Flags().Changed("url"):
		return errors.New("--url goes with --running")
	}
	return nil
}

func (f *checkFlags) report(ctx context.Context, c *cli) error {
	var findings []check.Finding
	if cfg, err := f.config.load(); err != nil {
		findings = check.Unreadable(err)
	} else {
		findings = check.Run(ctx, check.Options{
			Config: cfg, Timeout: f.timeout, Only: f.only,
			Connect: func() (*broker.Client, error) { return connectKafka(cfg) },
			Redis: func(ctx context.Context, limit time.Duration) (check.RedisState, check.Cause, error) {
				return lookAtRedis(ctx, cfg, limit)
			},
		})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := writeFindings(c.stdout, c.output, findings); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return findingsError(findings)
}

// findingsError is how the command ends.
func findingsError(findings []check.Finding) error {
	failed := 0
	for _, f := range findings {
		if f.Status == check.Failed {
			failed++
		}
	}
	err := fmt.Errorf("%d of %d lines tell of something that is wrong", failed, len(findings))
	switch check.Worst(findings) {
	case check.BadConfiguration:
		return withCode(exitConfig, err)
	case check.Unreachable:
		return withCode(exitUnreachable, err)
	case check.Fault:
		return err
	default:
		return nil
	}
}

// marks stand before the lines of the report.
var marks = map[check.Status]string{check.OK: "✓", check.Warning: "!", check.Failed: "✗", check.Skipped: "-"}

func writeFindings(w io.Writer, output string, findings []check.Finding) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(map[string]any{"ok": check.Worst(findings) == "", "findings": findings})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(table, "%s %s\t%s", marks[f.Status], f.Check, f.Message)
		if f.Advice != "" {
			fmt.Fprintf(table, "; %s", f.Advice)
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// askRunning asks the worker at --url, else at the address of the configuration, else at the one that is the default.
func (f *checkFlags) askRunning(ctx context.Context, c *cli) error {
	base := f.url
	if base == "" {
		cfg, err := f.config.load()
		if err != nil {
			return err
		}
		if base = check.RunningURL(cfg); base == "" {
			return withCode(exitUsage, fmt.Errorf("ops.listen (%q) does not say where the worker listens; give --url", cfg.Ops.Listen))
		}
	}
	said, err := check.Running(ctx, base, f.timeout)
	switch {
	case errors.Is(err, check.ErrNoAnswer):
		return withCode(exitUnreachable, err)
	case err != nil:
		return err
	}
	if err := writeReadiness(c.stdout, c.output, base, said); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	if !said.Ready {
		return errors.New("the worker is not ready")
	}
	return nil
}

func writeReadiness(w io.Writer, output, base string, said check.Readiness) error {
	if output == "json" {
		return json.NewEncoder(w).Encode(said)
	}
	if said.Ready {
		_, err := fmt.Fprintf(w, "✓ ready  %s\n", base)
		return err
	}
	for _, m := range said.Missing {
		if _, err := fmt.Fprintf(w, "✗ %s  %s\n", m.Name, m.Error); err != nil {
			return err
		}
	}
	return nil
}
