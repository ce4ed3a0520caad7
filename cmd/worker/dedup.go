package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/dedup"
	"github.com/toprelay/worker/internal/secret"
)

func newDedupCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dedup",
		Short: "Look at the ledger, which remembers what was delivered",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDedupStatsCommand(c), newDedupAcceptResetCommand(c))
	return cmd
}

// dedupStats is what `worker dedup stats` finds out; with -o json it is printed as it is.
type dedupStats struct {
	Store   string        `json:"store"`
	Entries int64         `json:"entries"`
	Emptied bool          `json:"emptied"` // Redis was emptied, and nobody has accepted it
	Counts  []dedup.Count `json:"counts"`
}

func newDedupStatsCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Count the ids of the ledger by method, account and state",
		Long: `Reads the whole ledger, beside the worker that uses it, and counts its ids by method, account and state:

  claimed    a call is under way, or ended without a result and must not be repeated
  released   attempts failed; the next one may be made
  delivered  TOP accepted it
  unknown    a call may have run, and nobody knows

An id whose call was cut off by a crash counts without a method until its next attempt.`,
		Example: `  worker dedup stats --config toprelay.yaml
  worker dedup stats --config toprelay.yaml -o json | jq '.counts[] | select(.state == "unknown")'`,
		Args: cobra.NoArgs,
	}
	f := addConfigFlags(c, cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := f.load()
		if err != nil {
			return err
		}
		s, err := readDedupStats(cmd.Context(), cfg)
		if err != nil {
			return err
		}
		return writeDedupStats(c.stdout, c.output, s)
	}
	return cmd
}

func readDedupStats(ctx context.Context, cfg *config.Config) (s dedupStats, err error) {
	s = dedupStats{Store: cfg.Dedup.Store}
	switch cfg.Dedup.Store {
	case "sqlite":
		s.Counts, err = dedup.SQLiteStats(ctx, cfg.Dedup.Path)
		if errors.Is(err, fs.ErrNotExist) {
			return s, withCode(exitNotFound, fmt.Errorf("there is no ledger at dedup.path %s: no worker has run with it yet", cfg.Dedup.Path))
		}
	case "redis":
		var admin *dedup.RedisAdmin
		if admin, err = dialRedis(ctx, cfg); err != nil {
			return s, err
		}
		defer func() { _ = admin.Close() }() // nothing was written
		if s.Emptied, err = admin.Emptied(ctx); err == nil {
			s.Counts, err = admin.Stats(ctx)
		}
	default:
		return s, withCode(exitConfig, errors.New("dedup.store: the ledger is in the memory of the worker: there is nothing to look at from outside"))
	}
	for _, c := range s.Counts {
		s.Entries += c.Entries
	}
	return s, redisError(err)
}

func writeDedupStats(w io.Writer, output string, s dedupStats) error {
	if output == "json" {
		if s.Counts == nil {
			s.Counts = []dedup.Count{}
		}
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "METHOD\tACCOUNT\tSTATE\tENTRIES")
	for _, c := range s.Counts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", orDash(c.Method), orDash(c.Account), c.State, c.Entries)
	}
	fmt.Fprintf(t, "all\t\t\t%d\n", s.Entries)
	if err := t.Flush(); err != nil || !s.Emptied {
		return err
	}
	_, err := fmt.Fprintln(w, "Redis was emptied: methods that must not be repeated wait for `worker dedup accept-reset`")
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func newDedupAcceptResetCommand(c *cli) *cobra.Command {
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use:   "accept-reset",
		Short: "Go on after Redis has lost the ledger",
		Long: `When Redis was emptied while workers ran, they do not know any more what was delivered. Methods that may be repeated
go on: what is read again is sent again with the same idempotent id. Those that must not be repeated make no calls, because
an event that comes again may have been carried out.

Before you accept: find out why Redis was emptied, and look at the calls that were made since the oldest event that the
consumer group may read again. Afterwards all workers go on within two seconds.`,
		Example: `  worker dedup accept-reset --config toprelay.yaml --dry-run
  worker dedup accept-reset --config toprelay.yaml --yes`,
		Args: cobra.NoArgs,
	}
	f := addConfigFlags(c, cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say whether there is a loss to accept")
	cmd.Flags().BoolVar(&yes, "yes", false, "accept it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !yes && !dryRun {
			return withCode(exitUsage, errors.New("events that come again may be carried out twice from now on: say --yes, or look with --dry-run"))
		}
		cfg, err := f.load()
		if err != nil {
			return err
		}
		if cfg.Dedup.Store != "redis" {
			return withCode(exitConfig, fmt.Errorf("dedup.store is %s: only a ledger in Redis can be emptied behind the worker's back", cfg.Dedup.Store))
		}
		return acceptReset(cmd.Context(), c, cfg, dryRun)
	}
	return cmd
}

func acceptReset(ctx context.Context, c *cli, cfg *config.Config, dryRun bool) error {
	admin, err := dialRedis(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close() }() // what was written was acknowledged
	emptied, err := admin.Emptied(ctx)
	if err == nil && emptied && !dryRun {
		emptied, err = admin.AcceptReset(ctx)
	}
	if err != nil {
		return redisError(err)
	}
	accepted := emptied && !dryRun
	if c.output == "json" {
		return json.NewEncoder(c.stdout).Encode(map[string]bool{"emptied": emptied, "accepted": accepted})
	}
	text := "there is nothing to accept: the ledger was not emptied, or somebody has accepted it"
	switch {
	case accepted:
		text = "accepted: all methods go on within two seconds"
	case emptied:
		text = "the ledger was emptied, and methods that must not be repeated wait"
	}
	_, err = fmt.Fprintln(c.stdout, text)
	return err
}

// redisOptions say where the ledger of the configuration is.
func redisOptions(cfg *config.Config) (dedup.RedisOptions, error) {
	var password *secret.File
	if file := cfg.Dedup.Redis.PasswordFile; file != "" {
		var err error
		if password, err = secret.Open(file); err != nil {
			return dedup.RedisOptions{}, fmt.Errorf("dedup.redis.password_file: %w", err)
		}
	}
	return app.Redis(*cfg.Dedup.Redis, password)
}

func dialRedis(ctx context.Context, cfg *config.Config) (*dedup.RedisAdmin, error) {
	if cfg.Dedup.Redis == nil {
		return nil, withCode(exitConfig, errors.New("dedup.redis: there are no servers; give addresses"))
	}
	o, err := redisOptions(cfg)
	if err != nil {
		return nil, withCode(exitConfig, err)
	}
	admin, err := dedup.DialRedis(ctx, o)
	return admin, redisError(err)
}

// redisError gives an error of Redis its exit code.
func redisError(err error) error {
	var e *dedup.RedisError
	if errors.As(err, &e) {
		return withCode(exitUnreachable, err)
	}
	return err
}
