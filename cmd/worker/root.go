package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes (contract section 11).
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartly      = 3
	exitNotFound    = 4
	exitUnreachable = 6
	exitConfig      = 78
)

// exitError is an error that decides the exit code of the command. Errors without one exit with exitFailed.
type exitError struct {
	code int
	err  error
	said bool // in the log, so that it need not be printed
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// withCode gives err an exit code; nil stays nil.
func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// cli is what all commands share: the streams and the global flags. stdout is data, stderr is words.
type cli struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	configPath string // --config, else TOPRELAY_CONFIG, else empty
	output     string // -o: table or json
}

// execute runs the command line args and returns the exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	c := &cli{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRootCommand(c)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var coded *exitError
	if !errors.As(err, &coded) {
		coded = &exitError{code: exitFailed}
	}
	if !coded.said {
		fmt.Fprintf(stderr, "%s: %v\n", cmd.CommandPath(), err)
	}
	return coded.code
}

func newRootCommand(c *cli) *cobra.Command {
	root := &cobra.Command{
		Use:           "worker",
		Short:         "Relays events from Kafka to Taobao Open Platform, in order per key, without loss.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().StringVar(&c.configPath, "config", "", "configuration file (YAML); TOPRELAY_CONFIG where not given")
	root.PersistentFlags().StringVarP(&c.output, "output", "o", "table", "output format: table or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if c.output != "table" && c.output != "json" {
			return withCode(exitUsage, fmt.Errorf("unknown output format %q: use table or json", c.output))
		}
		return nil
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return withCode(exitUsage, fmt.Errorf("%w; see '%s --help'", err, cmd.CommandPath()))
	})
	root.AddCommand(commands(c)...)
	markUsageErrors(root)
	return root
}

// markUsageErrors makes wrong arguments exit with exitUsage, which cobra reports as plain errors.
func markUsageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return withCode(exitUsage, fmt.Errorf("%w; see '%s --help'", err, strings.TrimSpace(cmd.CommandPath())))
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markUsageErrors(sub)
	}
}
