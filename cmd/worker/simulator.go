package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/simulator"
	"github.com/toprelay/worker/schemas"
)

// What the simulator knows where nothing else is said. Neither is real anywhere.
const (
	developmentAppKey  = "12345678"
	developmentSecret  = "test-secret-not-real-0001"
	developmentSession = "test-session-not-real-0001"
)

// stopSimulator is how long calls in flight may take once the simulator stops.
const stopSimulator = 2 * time.Second

// simulatorFlags are the flags of worker simulator.
type simulatorFlags struct {
	listen        string
	appKey        string
	secret        string
	secretFile    string
	sessions      []string
	schemasDir    string
	latency       time.Duration
	perSecond     int
	perDay        int
	keepCalls     int
	noGzip        bool
	allowRemote   bool
	remoteControl bool
}

func newSimulatorCommand(c *cli) *cobra.Command {
	var f simulatorFlags
	cmd := &cobra.Command{
		Use:   "simulator",
		Short: "Run a gateway of TOP and Qimen for development, tests and load.",
		Long: `Run a gateway of TOP and Qimen for development, tests and load.

It verifies signs, timestamps, sessions and arguments as the platform does, answers in its shapes (JSON, simplified
JSON, XML), and keeps the calls that it received. Over HTTP it can be told to misbehave: bans, errors, late, cut or
broken replies. Without flags it runs with a development app key, secret and session, which it prints.

  PUT    /_sim/faults   a JSON array of {match: {method, key, app_key, nth, every}, times, action}
  GET    /_sim/faults   the faults in force, each with its hits
  DELETE /_sim/faults   no faults
  GET    /_sim/calls    the calls received: [{seq, time, method, app_key, params, accepted, reply}, …]
  DELETE /_sim/calls    forget them

An action is one of
  {"code": 15, "sub_code": "isp.remote-service-error", "msg": "…", "sub_msg": "…"}
  {"ban_seconds": 30, "scope": "api" | "app" | "app-api"}
  {"status": 503, "body": "…"}
  {"delay": "2s"}
  {"cut": "before" | "after"}                  the connection, before or after the effect
  {"garbage": "html" | "empty" | "truncated" | "endless"}
  {"business": {"success": false, "msg_code": "F01", "display_msg": "closed"}}

The fields of business are those of the method's own reply, which differ: x-top.reply of worker schemas show TYPE names
the ones for success, code and message. Others are sent as they are, and the worker does not read them.`,
		Example: `  worker simulator
  worker simulator --listen 127.0.0.1:0 -o json
  worker simulator --app-key 23000001 --app-secret-file secrets/app-secret --session test-session-2
  worker simulator --latency 50ms --qps 20

  # every status change is refused by the platform's business
  curl -X PUT http://127.0.0.1:8090/_sim/faults -d '[{"match":{"method":"tmall.servicecenter.workcard.logisticsorder.update"},"action":{"business":{"success":false,"msg_code":"F01","display_msg":"closed"}}}]'

  # one ban of 30 seconds for the whole app key, from the tenth call on
  curl -X PUT http://127.0.0.1:8090/_sim/faults -d '[{"match":{"nth":10},"action":{"ban_seconds":30,"scope":"app"}}]'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.secretFile != "" && cmd.Flags().Changed("app-secret") {
				return withCode(exitUsage, errors.New("give --app-secret or --app-secret-file, not both"))
			}
			return runSimulator(cmd.Context(), c, &f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8090", "address to listen on; port 0 takes a free one")
	flags.StringVar(&f.appKey, "app-key", developmentAppKey, "app key that is known")
	flags.StringVar(&f.secret, "app-secret", developmentSecret, "its secret; use --app-secret-file for one that matters")
	flags.StringVar(&f.secretFile, "app-secret-file", "", "file with its secret")
	flags.StringSliceVar(&f.sessions, "session", []string{developmentSession}, "session that is good for it; may be given several times")
	flags.StringVar(&f.schemasDir, "schemas-dir", "", "directory of schemas that overlay the embedded ones")
	flags.DurationVar(&f.latency, "latency", 0, "time before each reply")
	flags.IntVar(&f.perSecond, "qps", 0, "calls a second of one app key and method before code 7; 0 = no limit")
	flags.IntVar(&f.perDay, "per-day", 0, "calls a day (GMT+8) of one app key before code 7; 0 = no limit")
	flags.IntVar(&f.keepCalls, "keep-calls", 100_000, "calls that the log keeps")
	flags.BoolVar(&f.noGzip, "no-gzip", false, "never compress replies")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "allow --listen on an address that is not loopback")
	flags.BoolVar(&f.remoteControl, "allow-remote-control", false, "open /_sim to clients that are not on loopback")
	return cmd
}

func runSimulator(ctx context.Context, c *cli, f *simulatorFlags) error {
	sim, err := f.simulator()
	if err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", f.listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w; choose another with --listen", f.listen, err)
	}
	if err := f.announce(c.stdout, c.output, listener.Addr().String()); err != nil {
		listener.Close()
		return err
	}
	fmt.Fprintln(c.stderr, "simulator ready; stop it with Ctrl-C")

	// Delays and endless replies end with the base context, so that the stop does not wait for them.
	base, stopReplies := context.WithCancel(context.Background())
	defer stopReplies()
	server := &http.Server{
		Handler:           sim.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          log.New(c.stderr, "", 0),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return fmt.Errorf("simulator: %w", err)
	case <-ctx.Done():
	}
	stopReplies()
	bound, cancel := context.WithTimeout(context.Background(), stopSimulator)
	defer cancel()
	if server.Shutdown(bound) != nil {
		server.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("simulator: %w", err)
	}
	fmt.Fprintln(c.stderr, "simulator stopped")
	return nil
}

// simulator checks the flags and makes the simulator.
func (f *simulatorFlags) simulator() (*simulator.Simulator, error) {
	if !f.allowRemote && !isLoopback(f.listen) {
		return nil, withCode(exitUsage, fmt.Errorf(
			"--listen %s is not a loopback address: the simulator keeps what it receives and anybody could call it; add --allow-remote to do it all the same", f.listen))
	}
	secret := f.secret
	if f.secretFile != "" {
		text, err := os.ReadFile(f.secretFile)
		if err != nil {
			return nil, withCode(exitConfig, fmt.Errorf("--app-secret-file: %w", err))
		}
		secret = strings.TrimSpace(string(text))
		if secret == "" {
			return nil, withCode(exitConfig, fmt.Errorf("--app-secret-file %s is empty", f.secretFile))
		}
	}
	if f.keepCalls < 1 {
		return nil, withCode(exitUsage, errors.New("--keep-calls must be 1 or more"))
	}
	catalogue, err := schemas.Load(f.schemasDir)
	if err != nil {
		return nil, withCode(exitConfig, fmt.Errorf("--schemas-dir: %w", err))
	}
	sim, err := simulator.New(simulator.Options{
		Apps:          map[string]simulator.App{f.appKey: {Secret: secret, Sessions: f.sessions}},
		Catalogue:     catalogue,
		Latency:       f.latency,
		PerSecond:     f.perSecond,
		PerDay:        f.perDay,
		KeepCalls:     f.keepCalls,
		NoGzip:        f.noGzip,
		RemoteControl: f.remoteControl,
	})
	return sim, withCode(exitUsage, err)
}

// isLoopback tells whether only this host can reach the address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// announce prints the addresses, and the development secret where no other was given.
func (f *simulatorFlags) announce(w io.Writer, output, address string) error {
	root := "http://" + address
	if output == "json" {
		return json.NewEncoder(w).Encode(map[string]any{
			"top":           root + simulator.PathTOP,
			"qimen":         root + simulator.PathQimenCloud,
			"qimen_service": root + simulator.PathQimenService,
			"faults":        root + simulator.PathFaults,
			"calls":         root + simulator.PathCalls,
			"app_key":       f.appKey,
		})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, value string) { fmt.Fprintf(table, "%s\t%s\n", name, value) }
	line("TOP gateway", root+simulator.PathTOP)
	line("Qimen gateway", root+simulator.PathQimenCloud)
	line("Qimen gateway (1.0)", root+simulator.PathQimenService)
	line("Faults", root+simulator.PathFaults)
	line("Calls", root+simulator.PathCalls)
	line("App key", f.appKey)
	if f.secretFile == "" && f.secret == developmentSecret {
		line("App secret", developmentSecret+" (development)")
	} else {
		line("App secret", "as given")
	}
	if len(f.sessions) == 1 && f.sessions[0] == developmentSession {
		line("Session", developmentSession+" (development)")
	} else {
		line("Sessions", fmt.Sprintf("%d as given", len(f.sessions)))
	}
	return table.Flush()
}
