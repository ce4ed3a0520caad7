package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/consumer"
)

const (
	topicsInterval = time.Second
	sayAgain       = time.Minute
	// shortRetention is what the dead-letter topic's retention should not be below (contract section 2).
	shortRetention = 90 * 24 * time.Hour
)

// topicsWait is the wait of the start for Kafka and its topics.
type topicsWait struct {
	cluster interface {
		Topics(ctx context.Context, names ...string) (map[string]broker.Topic, error)
		Settings(ctx context.Context, topics ...string) (map[string]broker.Settings, error)
	}
	config *config.Config
	topics []string // that are consumed
	log    *slog.Logger
	status *status

	away, missing notice
}

func (a *App) awaitTopics(ctx context.Context) error {
	w := &topicsWait{cluster: a.client, config: a.config, topics: a.topics(), log: a.log, status: &a.status}
	return w.run(ctx)
}

// run waits until Kafka answers and has the topics that the worker reads and writes. It waits for Kafka as long as it
// takes, and for missing topics kafka.topics_timeout.
func (w *topicsWait) run(ctx context.Context) error {
	for {
		missing, err := w.look(ctx)
		var refused config.Problems
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.As(err, &refused):
			return err
		case err != nil:
			w.missing.over() // its timeout is for a Kafka that answers
			w.sayAway(err)
		default:
			if after, heard := w.away.over(); heard {
				w.log.Info("Kafka answers again", "after", after.Round(time.Millisecond).Seconds())
			}
			if len(missing) == 0 {
				return nil
			}
			if err := w.sayMissing(missing); err != nil {
				return err
			}
		}
		timer := time.NewTimer(topicsInterval)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// look asks for the topics once, and where all are there for what they are set to.
func (w *topicsWait) look(ctx context.Context) (missing []string, err error) {
	needed := w.needed()
	there, err := w.cluster.Topics(ctx, needed...)
	if err != nil {
		return nil, err
	}
	for _, name := range needed {
		if _, ok := there[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return missing, nil
	}
	return nil, w.checkSettings(ctx)
}

// needed are the topics that the worker reads and writes. A dry run writes none.
func (w *topicsWait) needed() []string {
	k := w.config.Kafka
	if w.config.Top.DryRun {
		return w.topics
	}
	needed := append(slices.Clone(w.topics), k.DeadLetterTopic, k.ActionsTopic)
	if k.ResultsTopic != "" {
		needed = append(needed, k.ResultsTopic)
	}
	return needed
}

func (w *topicsWait) sayAway(err error) {
	what, why := kafkaTrouble(err)
	w.status.waitFor(what + ": " + why)
	if w.away.due() {
		w.log.Warn(what+"; waiting for it", "brokers", w.config.Kafka.Brokers, "error", why)
	}
}

// sayMissing says which topics are missing, and fails when the time for them is over.
func (w *topicsWait) sayMissing(missing []string) error {
	names := strings.Join(missing, ", ")
	w.status.waitFor("topics are missing: " + names)
	due := w.missing.due()
	timeout := w.config.Kafka.TopicsTimeout
	if time.Since(w.missing.since) >= timeout {
		return fmt.Errorf("%w: topics are missing in Kafka: %s: create them with `worker topics create`", ErrUnreachable, names)
	}
	if due {
		w.log.Warn("topics are missing; waiting for them", "topics", missing, "timeout", timeout.String())
	}
	return nil
}

// checkSettings looks at what the topics are set to. Those that the worker may not describe are said once and left out: it
// can do its work without knowing.
func (w *topicsWait) checkSettings(ctx context.Context) error {
	names := w.topics
	if !w.config.Top.DryRun {
		names = append(slices.Clone(names), w.config.Kafka.DeadLetterTopic)
	}
	settings := make(map[string]broker.Settings, len(names))
	var hidden []string
	var why error
	for _, name := range names { // each for itself, because one that is refused makes the whole question fail
		one, err := w.cluster.Settings(ctx, name)
		switch {
		case err == nil:
			settings[name] = one[name]
		case broker.MayPass(err):
			return err
		default:
			hidden, why = append(hidden, name), err
		}
	}
	if len(hidden) > 0 {
		w.log.Warn("Kafka does not say what topics are set to, so that their compaction and retention are not looked at; let the worker's user describe their configuration",
			"topics", hidden, "error", why.Error())
	}
	for _, name := range w.topics {
		if s, known := settings[name]; known {
			w.checkRemembered(name, s)
		}
	}
	if s, known := settings[w.config.Kafka.DeadLetterTopic]; known && !w.config.Top.DryRun {
		return w.checkDeadLetterTopic(s)
	}
	return nil
}

// checkRemembered warns where events can come again after the ledger has forgotten that they were delivered.
func (w *topicsWait) checkRemembered(topic string, s broker.Settings) {
	remembers, kept := w.config.Dedup.Retention, s.Kept()
	if kept >= 0 && kept <= remembers {
		return
	}
	keeps := "for ever"
	if kept >= 0 {
		keeps = kept.String()
	}
	w.log.Warn("a topic keeps events for longer than the ledger remembers them: an older one that is consumed again is sent again; raise dedup.retention or lower the topic's retention.ms",
		"topic", topic, "keeps", keeps, "dedup_retention", remembers.String())
}

// checkDeadLetterTopic refuses a compacted dead-letter topic and warns of a short retention.
func (w *topicsWait) checkDeadLetterTopic(s broker.Settings) error {
	if strings.Contains(s.CleanupPolicy, "compact") {
		return config.Problems{{Place: w.config.Source("kafka.dead_letter_topic"), Key: "kafka.dead_letter_topic", Message: "the topic is compacted, so that a letter could take the place of another one: set cleanup.policy=delete"}}
	}
	if kept := s.Kept(); kept >= 0 && kept < shortRetention {
		w.log.Warn("the dead-letter topic keeps letters for less than 90 days; set retention.ms=-1", "topic", w.config.Kafka.DeadLetterTopic, "retention", kept.String())
	}
	return nil
}

// kafkaTrouble says in words what keeps the worker from Kafka, and why.
func kafkaTrouble(err error) (what, why string) {
	var access *broker.AccessError
	switch why = err.Error(); {
	case !errors.As(err, &access):
		return "Kafka refuses what the worker asks", why
	case errors.Is(err, consumer.ErrRefused):
		return "the connection to Kafka is refused", access.Error()
	default:
		return "Kafka does not answer", access.Error()
	}
}

// notice is something that is said at once, again each minute while it lasts, and when it is over.
type notice struct {
	since time.Time // zero: it does not last now
	said  time.Time // last
	heard bool      // the present one was said
}

// due notes that it lasts, and whether it is to be said.
func (n *notice) due() bool {
	now := time.Now()
	if n.since.IsZero() {
		n.since, n.heard = now, false
	}
	if !n.said.IsZero() && now.Sub(n.said) < sayAgain {
		return false
	}
	n.said, n.heard = now, true
	return true
}

// over notes that it has ended. It returns how long it lasted, and whether it was said.
func (n *notice) over() (after time.Duration, heard bool) {
	if n.since.IsZero() {
		return 0, false
	}
	after = time.Since(n.since)
	n.since = time.Time{}
	return after, n.heard
}
