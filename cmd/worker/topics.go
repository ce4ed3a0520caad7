package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
)

func newTopicsCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Make the topics in Kafka",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTopicsCreateCommand(c))
	return cmd
}

// topicsFlags are the flags of worker topics create.
type topicsFlags struct {
	kafka      *kafkaFlags
	partitions int
	replicas   int
	dryRun     bool
}

func newTopicsCreateCommand(c *cli) *cobra.Command {
	f := topicsFlags{}
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create the topics of the configuration that are missing",
		Long: `Creates the topics of the configuration that are missing: those that are consumed, the one for dead letters and the
one for what is done with them, and the ones for results and inbound work orders where these are switched on. A topic
that exists stays as it is; what is wrong with it is said.

Topics for dead letters and actions keep all (cleanup.policy=delete, retention.ms=-1), take records 64 KiB larger than
the largest topic that is consumed, and want two in-sync replicas where there are three. The topic for dead letters gets
as many partitions as the topics that are consumed, because a letter goes to the partition number of its event.

Raise the number of partitions of a consumed topic only while it is drained: the order of a key's events is promised
within one partition.`,
		Example: `  worker topics create --config toprelay.yaml --dry-run
  worker topics create --config toprelay.yaml --partitions 12
  worker topics create --brokers 127.0.0.1:9092 -o json`,
		Args: cobra.NoArgs,
	}
	f.kafka = addKafkaFlags(c, cmd)
	cmd.Flags().IntVar(&f.partitions, "partitions", defaultPartitions, "partitions of each topic")
	cmd.Flags().IntVar(&f.replicas, "replicas", 0, "replicas of each partition; 0: as many as there are brokers, up to 3")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only show what would be created")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.partitions < 1 || f.replicas < 0 {
			return withCode(exitUsage, errors.New("--partitions must be 1 or more, --replicas 0 or more"))
		}
		cfg, err := f.kafka.load()
		if err != nil {
			return err
		}
		client, err := connectKafka(cfg)
		if err != nil {
			return err
		}
		defer client.Close()
		results, err := f.create(cmd.Context(), cfg, client)
		if err != nil {
			return kafkaError(cfg, err)
		}
		if err := writeTopics(c.stdout, c.output, results); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		for _, r := range results {
			if r.Note != "" {
				fmt.Fprintf(c.stderr, "topic %s: %s\n", r.Topic, r.Note)
			}
		}
		return topicsError(cfg, results)
	}
	return cmd
}

// topicResult is what became of one topic; with -o json it is printed as it is.
type topicResult struct {
	Topic      string            `json:"topic"`
	Role       topicRole         `json:"role"`
	Partitions int               `json:"partitions"`
	Replicas   int               `json:"replicas"`
	State      string            `json:"state"` // created, would be created, exists, failed
	Settings   map[string]string `json:"settings"`
	Note       string            `json:"note,omitempty"` // what is wrong with it

	err error
}

func (f *topicsFlags) create(ctx context.Context, cfg *config.Config, client *broker.Client) ([]topicResult, error) {
	planned := configuredTopics(cfg)
	there, settings, err := describeTopics(ctx, client, planned)
	if err != nil {
		return nil, err
	}
	brokers, err := client.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	replicas := f.replicas
	if replicas == 0 {
		replicas = min(brokers, 3)
	}
	sizes := f.sizes(planned, there, settings)
	var results []topicResult
	for _, p := range planned {
		want := p.spec(sizes, f.partitions, replicas)
		r := topicResult{
			Topic: p.name, Role: p.role, Partitions: want.Partitions, Replicas: want.Replicas,
			State: "created", Settings: want.Settings.Map(),
		}
		if t, ok := there[p.name]; ok {
			r.State, r.Partitions, r.Replicas = "exists", t.Partitions, t.Replicas
			r.Settings, r.Note = settings[p.name].Map(), faults(p, t, settings[p.name], want)
		} else if f.dryRun {
			r.State = "would be created"
		} else if err := client.CreateTopic(ctx, want); err != nil {
			r.State, r.Note, r.err = "failed", err.Error(), err
			if errors.Is(err, broker.ErrReplicas) {
				r.Note += fmt.Sprintf("; it has %d: use --replicas %d", brokers, brokers)
			}
		}
		results = append(results, r)
	}
	showSettings(ctx, client, results)
	return results, nil
}

// showSettings gives the topics that were created the settings that they have now, the cluster's defaults among them.
// Where Kafka does not say, those that were asked for stay: it is only for show.
func showSettings(ctx context.Context, client *broker.Client, results []topicResult) {
	for i, r := range results {
		if r.State != "created" {
			continue
		}
		if settings, err := client.Settings(ctx, r.Topic); err == nil {
			results[i].Settings = settings[r.Topic].Map()
		}
	}
}

func describeTopics(ctx context.Context, client *broker.Client, planned []plannedTopic) (map[string]broker.Topic, map[string]broker.Settings, error) {
	names := make([]string, len(planned))
	for i, p := range planned {
		names[i] = p.name
	}
	there, err := client.Topics(ctx, names...)
	if err != nil {
		return nil, nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := there[name]; return !ok })
	settings, err := client.Settings(ctx, names...)
	return there, settings, err
}

func (f *topicsFlags) sizes(planned []plannedTopic, there map[string]broker.Topic, settings map[string]broker.Settings) topicSizes {
	var s topicSizes
	for _, p := range planned {
		if p.role != roleSource {
			continue
		}
		partitions, maxBytes := f.partitions, int64(brokerMaxBytes)
		if t, ok := there[p.name]; ok {
			partitions, maxBytes = t.Partitions, settings[p.name].MaxMessageBytes
		}
		s.partitions, s.maxBytes = max(s.partitions, partitions), max(s.maxBytes, maxBytes)
	}
	return s
}

// faults says what is wrong with a topic that exists, for what it is used for.
func faults(p plannedTopic, t broker.Topic, got broker.Settings, want broker.NewTopic) string {
	if p.role != roleDeadLetters && p.role != roleActions {
		return ""
	}
	var s []string
	if strings.Contains(got.CleanupPolicy, "compact") {
		s = append(s, "cleanup.policy="+got.CleanupPolicy+" loses letters: set delete")
	}
	if got.RetentionMS >= 0 {
		s = append(s, fmt.Sprintf("retention.ms=%d loses letters: set -1", got.RetentionMS))
	}
	if got.MaxMessageBytes < want.Settings.MaxMessageBytes {
		s = append(s, fmt.Sprintf("max.message.bytes=%d is too small for letters of the largest events: set %d", got.MaxMessageBytes, want.Settings.MaxMessageBytes))
	}
	if t.Replicas >= 3 && got.MinInSyncReplicas < 2 {
		s = append(s, fmt.Sprintf("min.insync.replicas=%d lets one broker lose letters: set 2", got.MinInSyncReplicas))
	}
	if p.role == roleDeadLetters && t.Partitions < want.Partitions {
		s = append(s, fmt.Sprintf("it has %d partitions and the events have %d: letters of the others go by key", t.Partitions, want.Partitions))
	}
	return strings.Join(s, "; ")
}

func writeTopics(w io.Writer, output string, results []topicResult) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(results)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tPARTITIONS\tREPLICAS\tSTATE\tFOR\tSETTINGS")
	for _, r := range results {
		var settings []string
		for name, value := range r.Settings {
			settings = append(settings, name+"="+value)
		}
		sort.Strings(settings)
		if len(settings) == 0 {
			settings = []string{"the cluster's defaults"}
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\t%s\t%s\n", r.Topic, r.Partitions, r.Replicas, r.State, r.Role, strings.Join(settings, " "))
	}
	return table.Flush()
}

// topicsError is how the command ends.
func topicsError(cfg *config.Config, results []topicResult) error {
	var failed []error
	for _, r := range results {
		if r.err != nil {
			failed = append(failed, r.err)
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case len(failed) == len(results):
		return kafkaError(cfg, fmt.Errorf("no topic was created: %w", failed[0]))
	default:
		return withCode(exitPartly, fmt.Errorf("%d of %d topics failed", len(failed), len(results)))
	}
}
