package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/broker/embedded"
	"github.com/toprelay/worker/internal/config"
)

// brokerFlags are the flags of worker broker.
type brokerFlags struct {
	config      *configFlags
	listen      string
	advertise   string
	data        string
	partitions  int
	allowRemote bool
}

func newBrokerCommand(c *cli) *cobra.Command {
	f := brokerFlags{}
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "Run an embedded Kafka broker for development",
		Long: `Runs a Kafka broker in this process, for development and tests, never for production: it has no replicas, no access
control, and deletes nothing by itself. It speaks the real protocol, so any Kafka client can use it.

The topics of the configuration are created where they are missing, and top.results where it names no topic for results:
by default the five that a worker reads and writes. Without --data all is in memory and is gone when the command ends;
with it topics, records and offsets are there again at the next start. A folder is for one broker at a time.

Exit codes: 0 stopped by a signal, 1 failed, 2 usage, 6 another broker has the folder of --data, 78 bad configuration.`,
		Example: `  worker broker
  worker broker --listen 127.0.0.1:0 -o json
  worker broker --data /tmp/toprelay-broker --partitions 12
  worker publish events.jsonl --brokers 127.0.0.1:9092`,
		Args: cobra.NoArgs,
	}
	f.config = addConfigFlags(c, cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:9092", "address to listen on; port 0 takes a free one")
	flags.StringVar(&f.advertise, "advertise", "", "host:port that clients are told to connect to, where it is not --listen")
	flags.StringVar(&f.data, "data", "", "folder that keeps topics, records and offsets; empty: in memory only")
	flags.IntVar(&f.partitions, "partitions", defaultPartitions, "partitions of the topics that are created")
	flags.BoolVar(&f.allowRemote, "allow-remote", false, "allow --listen on an address that is not loopback")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.partitions < 1 {
			return withCode(exitUsage, errors.New("--partitions must be 1 or more"))
		}
		if !f.allowRemote && !isLoopback(f.listen) {
			return withCode(exitUsage, fmt.Errorf(
				"--listen %s is not a loopback address: anybody could read and write; add --allow-remote to do it all the same", f.listen))
		}
		cfg, err := f.config.loadKafka()
		if err != nil {
			return err
		}
		topics := f.topics(cfg)
		b, err := embedded.Start(embedded.Options{Listen: f.listen, Advertise: f.advertise, DataDir: f.data, Topics: topics})
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			return fmt.Errorf("%w; choose another address with --listen", err)
		case errors.Is(err, embedded.ErrLocked):
			return withCode(exitUnreachable, fmt.Errorf("%w: stop it, or give this one a --data of its own", err))
		case err != nil:
			return err
		}
		defer b.Close()
		if err := announceBroker(c.stdout, c.output, b.Addrs(), usableTopics(cfg), topics); err != nil {
			return fmt.Errorf("writing the address: %w", err)
		}
		fmt.Fprintln(c.stderr, "broker ready; stop it with Ctrl-C")
		<-cmd.Context().Done()
		fmt.Fprintln(c.stderr, "broker stopped")
		return nil
	}
	return cmd
}

// topics are the topics of the configuration with the settings that topics create gives them.
func (f *brokerFlags) topics(cfg *config.Config) map[string]embedded.Topic {
	sizes := topicSizes{partitions: f.partitions, maxBytes: brokerMaxBytes}
	topics := map[string]embedded.Topic{}
	for _, p := range usableTopics(cfg) {
		t := p.spec(sizes, f.partitions, 1)
		topics[p.name] = embedded.Topic{Partitions: t.Partitions, Config: t.Settings.Map()}
	}
	return topics
}

func announceBroker(w io.Writer, output string, addrs []string, planned []plannedTopic, topics map[string]embedded.Topic) error {
	if output == "json" {
		names := make([]string, len(planned))
		for i, p := range planned {
			names[i] = p.name
		}
		return json.NewEncoder(w).Encode(map[string]any{"brokers": addrs, "topics": names})
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "Kafka\t%s\n", addrs[0])
	for _, p := range planned {
		fmt.Fprintf(table, "Topic\t%s\t%d partitions\t%s\n", p.name, topics[p.name].Partitions, p.role)
	}
	return table.Flush()
}
