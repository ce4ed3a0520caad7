package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/schemas"
)

// publishFlags are the flags of worker publish.
type publishFlags struct {
	kafka      *kafkaFlags
	topic      string
	routes     []string
	raw        bool
	noValidate bool
	dryRun     bool
}

func newPublishCommand(c *cli) *cobra.Command {
	f := publishFlags{}
	cmd := &cobra.Command{
		Use:   "publish FILE|-",
		Short: "Check events and write them to Kafka",
		Long: `Reads JSON lines, checks each as the worker would, and writes the good ones to Kafka as structured CloudEvents, those of
a key in the order of the file. A line is an event, with up to three members more that say where it goes:

  {"topic": "…", "key": "…", "headers": {"name": "text"},
   "type": "top.workorder.sync.v1", "source": "/wms/1", "id": "42", "data": {…}}

  topic     else --route for the type, else --topic, else by type: top.status-changes for the two status types and
            top.work-orders for all others, where kafka.topics has them, or the one topic of kafka.topics
  key       else the ordering key of the event, so that the events of one order share a partition
  headers   record headers beside content-type
  specversion is 1.0 where it is not given.

With --raw a line is a record, written as it is and not checked:

  {"topic": "…", "partition": 3, "key": "text", "value": {"base64": "…"}, "headers": [["name", "text"], ["other", null]]}

  key, value and header values are a string, bytes as {"base64": "…"}, or null where there is none, which is another
  thing than empty; without partition the key chooses; offset and time may be there and are not used.

Size, envelope, type, data and expirytime are checked, and topaccount where the configuration has accounts (--config):
without one the command cannot know them. What is wrong with a line is said as FILE:LINE, the dead-letter reason that the
worker would give, the JSON Pointer into data, and the message; a topic that Kafka has not is 'refused'. The other lines
are written all the same. When Kafka fails, the command stops behind the lines that it has tried, and says which.

Exit codes: 0 all were written, 3 some were not, 1 none, 6 Kafka does not answer.`,
		Example: `  worker publish events.jsonl --config toprelay.yaml
  worker publish events.jsonl --dry-run
  cat events.jsonl | worker publish - --brokers 127.0.0.1:9092 --topic wms.events
  worker publish events.jsonl --route top.workorder.sync.v1=wms.orders
  worker publish records.jsonl --raw -o json`,
		Args: cobra.ExactArgs(1),
	}
	f.kafka = addKafkaFlags(c, cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.topic, "topic", "", "topic of lines that name none")
	flags.StringArrayVar(&f.routes, "route", nil, "topic of an event type, as TYPE=TOPIC (repeatable)")
	flags.BoolVar(&f.raw, "raw", false, "lines are records, written byte for byte")
	flags.BoolVar(&f.noValidate, "no-validate", false, "write events that the worker would not accept, too")
	flags.BoolVar(&f.dryRun, "dry-run", false, "check all lines and write nothing")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := f.kafka.load()
		if err != nil {
			return err
		}
		parse, err := f.parser(cfg)
		if err != nil {
			return err
		}
		name, input, err := openEvents(c, args[0])
		if err != nil {
			return err
		}
		defer input.Close()
		p := publication{report: newPublishReport(name, f.dryRun), progress: newProgress(c.stderr), stderr: c.stderr}
		err = f.publish(cmd.Context(), cfg, &p, input, parse)
		p.progress.end()
		if werr := p.report.write(c); werr != nil {
			return fmt.Errorf("writing the result: %w", werr)
		}
		return p.report.err(cfg, err)
	}
	return cmd
}

// parser returns the function that makes records of lines.
func (f *publishFlags) parser(cfg *config.Config) (parseLine, error) {
	if f.raw {
		if f.noValidate || len(f.routes) > 0 {
			return nil, withCode(exitUsage, errors.New("--raw writes records as they are: --route and --no-validate do not go with it"))
		}
		return rawLine{topic: f.topic}.parse, nil
	}
	known, err := catalogueOf(cfg)
	if err != nil {
		return nil, withCode(exitConfig, err)
	}
	routes, err := f.routing(known)
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	judge := newEventJudge(cfg, known)
	judge.arrival = true
	line := newEventLine(judge, routes, f.topic, cfg.Kafka.Topics)
	line.noValidate = f.noValidate
	return line.parse, nil
}

// routing is the topic by type, from --route. A type that nobody knows is a mistake, unless such events are wanted.
func (f *publishFlags) routing(known *schemas.Catalogue) (map[string]string, error) {
	routes := map[string]string{}
	for _, r := range f.routes {
		eventType, topic, ok := strings.Cut(r, "=")
		if !ok || eventType == "" || topic == "" {
			return nil, fmt.Errorf("--route %q: use TYPE=TOPIC", r)
		}
		if _, ok := known.Type(eventType); !ok && !f.noValidate {
			return nil, fmt.Errorf("--route %q: the type %s is not in the catalogue: see `worker schemas list`", r, eventType)
		}
		routes[eventType] = topic
	}
	return routes, nil
}

// publish reads, checks and writes: while one chunk is written the next one is read and checked. Chunks are written one
// after the other, so that the order of a key's events is kept.
func (f *publishFlags) publish(ctx context.Context, cfg *config.Config, p *publication, input io.Reader, parse parseLine) error {
	var writer *broker.Writer
	if !f.dryRun {
		client, err := connectKafka(cfg)
		if err != nil {
			return err
		}
		defer client.Close()
		writer = client.NewWriter()
		defer writer.Close()
	}
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	chunks := make(chan *chunk, 1)
	read := make(chan error, 1)
	go func() { read <- readChunks(reading, input, parse, chunks) }()
	for {
		select {
		case c := <-chunks:
			if err := p.write(ctx, writer, c); err != nil {
				return err
			}
		case err := <-read:
			if len(chunks) > 0 { // the last one; no more will come
				if err := p.write(ctx, writer, <-chunks); err != nil {
					return err
				}
			}
			return err
		case <-ctx.Done():
			// The reader is not waited for: a read from a terminal ends with the process only.
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
	}
}

// publication is one run of the command.
type publication struct {
	report   *publishReport
	progress *progress
	stderr   io.Writer
}

// write writes one chunk. It returns an error where going on makes no sense: then lines of the chunk may be missing in
// Kafka, and what comes after them must not overtake them.
func (p *publication) write(ctx context.Context, writer *broker.Writer, c *chunk) error {
	var errs []error
	if writer != nil && len(c.out) > 0 {
		errs = writer.WriteAll(ctx, c.out)
	}
	var stop error
	for i, o := range c.out {
		if errs == nil || errs[i] == nil {
			p.report.published(o.Topic)
			continue
		}
		message, refused := refusal(errs[i])
		if !refused {
			p.report.failed(c.lines[i])
			stop = errs[i]
			continue
		}
		c.problems = append(c.problems, lineProblem{Line: c.lines[i], Reason: "refused", Message: message})
	}
	for _, problem := range c.sortedProblems() {
		p.progress.clear()
		p.report.bad(problem)
		fmt.Fprintln(p.stderr, problem.text(p.report.File))
	}
	p.report.Lines += c.count
	p.progress.show(p.report)
	return stop
}

// refusal says what is wrong with a line that Kafka did not take, where it is the line's own fault.
func refusal(err error) (message string, refused bool) {
	var missing *broker.MissingTopicsError
	switch {
	case errors.As(err, &missing):
		return fmt.Sprintf("Kafka has no topic %s: correct topic, --route or --topic, or create it", strings.Join(missing.Topics, ", ")), true
	case errors.Is(err, broker.ErrTooLarge), errors.Is(err, broker.ErrNoPartition):
		return err.Error(), true
	default:
		return "", false
	}
}
