package check

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/consumer"
)

const (
	// letterRoom is what a dead letter may be larger than its event, in bytes (contract section 2).
	letterRoom = 64 << 10
	// shortRetention is what the retention of letters should not be below (contract section 2).
	shortRetention = 90 * 24 * time.Hour
)

// topicUse says what a topic is for.
type topicUse string

const (
	forEvents  topicUse = "events"
	forLetters topicUse = "dead letters"
	forActions topicUse = "actions on dead letters"
	forResults topicUse = "results"
)

// topicRow is a topic that the configuration names, as the cluster has it.
type topicRow struct {
	name     string
	use      topicUse
	there    bool
	topic    broker.Topic
	settings broker.Settings
}

// topics says whether the topics are there and have the settings that they need.
func (r *run) topics(ctx context.Context) {
	c := r.askKafka(ctx)
	if !c.answers {
		r.skip("not looked at: Kafka does not answer")
		return
	}
	rows := r.topicRows()
	if err := r.describe(ctx, c.client, rows); err != nil {
		message, advice := r.beyond(err, "let the worker's user describe the topics and their settings")
		r.fail(Unreachable, message, advice)
		return
	}
	var missing []string
	for _, row := range rows {
		if !row.there {
			missing = append(missing, row.name)
		}
	}
	if len(missing) > 0 {
		r.fail(Unreachable, "missing: "+strings.Join(missing, ", "), "run `worker topics create`")
	}
	for _, row := range rows {
		if row.there {
			r.judge(row, largest(rows))
		}
	}
	r.leaders(ctx, c.client, rows)
}

func (r *run) topicRows() []*topicRow {
	k := r.Config.Kafka
	var rows []*topicRow
	for _, t := range k.Topics {
		rows = append(rows, &topicRow{name: t.Name, use: forEvents})
	}
	if r.Config.Top.DryRun { // writes none
		return rows
	}
	rows = append(rows, &topicRow{name: k.DeadLetterTopic, use: forLetters}, &topicRow{name: k.ActionsTopic, use: forActions})
	if k.ResultsTopic != "" {
		rows = append(rows, &topicRow{name: k.ResultsTopic, use: forResults})
	}
	return rows
}

// describe asks the cluster for the topics and for the settings of those that are there.
func (r *run) describe(ctx context.Context, client *broker.Client, rows []*topicRow) error {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	var names, there []string
	for _, row := range rows {
		names = append(names, row.name)
	}
	topics, err := client.Topics(ctx, names...)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.topic, row.there = topics[row.name]; row.there {
			there = append(there, row.name)
		}
	}
	settings, err := client.Settings(ctx, there...)
	if err != nil {
		return err
	}
	for _, row := range rows {
		row.settings = settings[row.name]
	}
	return nil
}

// sources is the most that a topic with events has: what the topics with letters must be large enough for.
type sources struct {
	partitions int
	maxBytes   int64
}

func largest(rows []*topicRow) sources {
	var s sources
	for _, row := range rows {
		if row.use == forEvents && row.there {
			s.partitions = max(s.partitions, row.topic.Partitions)
			s.maxBytes = max(s.maxBytes, row.settings.MaxMessageBytes)
		}
	}
	return s
}

// judge adds what is wrong with a topic that is there, one line each, or one line that says that it is well.
func (r *run) judge(row *topicRow, from sources) {
	before := len(r.findings)
	r.inSync(row)
	switch row.use {
	case forEvents:
		r.remembered(row)
	case forLetters:
		r.keepsLetters(row)
		r.takesLetters(row, from)
		if row.topic.Partitions < from.partitions {
			r.warn(fmt.Sprintf("%s has %d partitions and the events have %d: letters of the other partitions go by their key", row.name, row.topic.Partitions, from.partitions),
				fmt.Sprintf("give it %d partitions", from.partitions))
		}
	case forActions:
		r.keepsLetters(row)
	}
	if len(r.findings) == before {
		r.ok("%s: %s, %s, %s", row.name, row.use, count(row.topic.Partitions, "partition"), count(row.topic.Replicas, "replica"))
	}
}

// inSync looks at how many replicas must have a record before it counts.
func (r *run) inSync(row *topicRow) {
	n, replicas := row.settings.MinInSyncReplicas, row.topic.Replicas
	switch {
	case n > replicas:
		r.fail(Fault, fmt.Sprintf("%s: min.insync.replicas=%d with %s: nothing can be written to it", row.name, n, count(replicas, "replica")), alter(row.name, "min.insync.replicas", fmt.Sprint(min(2, replicas))))
	case n < 2 && replicas >= 3 && row.use != forEvents:
		r.warn(fmt.Sprintf("%s: min.insync.replicas=%d: the loss of one broker can lose records", row.name, n), alter(row.name, "min.insync.replicas", "2"))
	}
}

// remembered compares how long events can come again with how long the ledger knows that they were delivered.
func (r *run) remembered(row *topicRow) {
	remembers, kept := r.Config.Dedup.Retention, row.settings.Kept()
	if kept >= 0 && kept <= remembers {
		return
	}
	keeps := "keeps events for ever"
	if kept >= 0 {
		keeps = "keeps events for " + kept.String()
	}
	r.warn(fmt.Sprintf("%s %s and the ledger remembers them for %s: an older one that is consumed again is sent again", row.name, keeps, remembers),
		"raise dedup.retention or lower the topic's retention.ms")
}

// keepsLetters looks at what could make letters vanish.
func (r *run) keepsLetters(row *topicRow) {
	if strings.Contains(row.settings.CleanupPolicy, "compact") {
		message := fmt.Sprintf("%s is compacted (cleanup.policy=%s): a letter could take the place of another one", row.name, row.settings.CleanupPolicy)
		r.fail(Fault, message, alter(row.name, "cleanup.policy", "delete"))
	}
	if kept := row.settings.Kept(); kept >= 0 && kept < shortRetention {
		r.warn(fmt.Sprintf("%s keeps records for %s, less than 90 days", row.name, kept), alter(row.name, "retention.ms", "-1"))
	}
}

// takesLetters looks at whether the letter of every event fits. One that does not is written without its value.
func (r *run) takesLetters(row *topicRow, from sources) {
	limit, events := row.settings.MaxMessageBytes, int64(r.Config.Consumer.MaxEventBytes)
	want := fmt.Sprint(from.maxBytes + letterRoom)
	switch {
	case limit < events+letterRoom:
		r.fail(Fault, fmt.Sprintf("%s: max.message.bytes=%d is too small for the letters of the largest events (consumer.max_event_bytes %s)", row.name, limit, r.Config.Consumer.MaxEventBytes), alter(row.name, "max.message.bytes", want))
	case limit < from.maxBytes+letterRoom:
		r.warn(fmt.Sprintf("%s: max.message.bytes=%d is not 64 KiB above that of the events' topics (%d)", row.name, limit, from.maxBytes), alter(row.name, "max.message.bytes", want))
	}
}

// leaders asks the leader of each partition of the events' topics: an address that the cluster names and this machine
// cannot reach (advertised.listeners) shows only there.
func (r *run) leaders(ctx context.Context, client *broker.Client, rows []*topicRow) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	for _, row := range rows {
		if !row.there || row.use != forEvents {
			continue
		}
		for p := range row.topic.Partitions {
			_, err := client.Spans(ctx, consumer.TopicPartition{Topic: row.name, Partition: p})
			if err == nil {
				continue
			}
			message, advice := r.beyond(err, "let the worker's user read the topic, or see whether the partition has a leader")
			r.fail(Unreachable, fmt.Sprintf("the leader of %s/%d: %s", row.name, p, message), advice)
			return // the others may be many, and are no other news
		}
	}
}

// alter is the command that sets a setting of a topic.
func alter(topic, name, value string) string {
	return fmt.Sprintf("set it: kafka-configs.sh --bootstrap-server … --alter --entity-type topics --entity-name %s --add-config %s=%s", topic, name, value)
}
