package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
)

const (
	topicsInterval = time.Second
	sayAgain       = time.Minute
	// shortRetention is what the dead-letter topic's retention should not be below (contract section 2).
	shortRetention = 90 * 24 * time.Hour
)

// awaitTopics waits until Kafka answers and has the topics that the worker reads and writes. It waits for Kafka as long as
// it takes, and for missing topics kafka.topics_timeout.
func (a *App) awaitTopics(ctx context.Context) error {
	needed := append(a.topics(), a.config.Kafka.DeadLetterTopic)
	if a.config.Kafka.ResultsTopic != "" {
		needed = append(needed, a.config.Kafka.ResultsTopic)
	}
	var said, missingSince time.Time
	for {
		topics, err := a.client.Topics(ctx, needed...)
		missing := lacking(needed, topics)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && len(missing) == 0:
			err := a.checkDeadLetterTopic(ctx)
			var refused config.Problems
			if err == nil || errors.As(err, &refused) {
				return err
			}
		case err == nil:
			now := time.Now()
			if missingSince.IsZero() {
				missingSince = now
			}
			a.status.waitFor("topics are missing: " + strings.Join(missing, ", "))
			if now.Sub(missingSince) >= a.config.Kafka.TopicsTimeout {
				return fmt.Errorf("%w: topics are missing in Kafka: %s: create them with `worker topics create`", ErrUnreachable, strings.Join(missing, ", "))
			}
			if now.Sub(said) >= sayAgain {
				said = now
				a.log.Warn("topics are missing; waiting for them", "topics", missing, "timeout", a.config.Kafka.TopicsTimeout.String())
			}
		default:
			missingSince = time.Time{}
			a.status.waitFor("Kafka does not answer: " + err.Error())
			if now := time.Now(); now.Sub(said) >= sayAgain {
				said = now
				a.log.Warn("Kafka does not answer; waiting for it", "brokers", a.config.Kafka.Brokers, "error", err.Error())
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

func lacking(needed []string, there map[string]broker.Topic) []string {
	var missing []string
	for _, name := range needed {
		if _, ok := there[name]; !ok {
			missing = append(missing, name)
		}
	}
	return missing
}

// checkDeadLetterTopic refuses a compacted dead-letter topic and warns of a short retention.
func (a *App) checkDeadLetterTopic(ctx context.Context) error {
	name := a.config.Kafka.DeadLetterTopic
	all, err := a.client.Settings(ctx, name)
	if err != nil {
		return err
	}
	s := all[name]
	if strings.Contains(s.CleanupPolicy, "compact") {
		return config.Problems{{Key: "kafka.dead_letter_topic", Message: "the topic is compacted, so that a letter could take the place of another one: set cleanup.policy=delete"}}
	}
	if kept := time.Duration(s.RetentionMS) * time.Millisecond; s.RetentionMS >= 0 && kept < shortRetention {
		a.log.Warn("the dead-letter topic keeps letters for less than 90 days; set retention.ms=-1", "topic", name, "retention", kept.String())
	}
	return nil
}

func (a *App) groupConfig() broker.SourceConfig {
	k := a.config.Kafka
	return broker.SourceConfig{
		Group: k.GroupID, Topics: a.topics(), StartOffset: k.StartOffset, SessionTimeout: k.SessionTimeout,
		HeartbeatInterval: k.HeartbeatInterval, RebalanceTimeout: k.RebalanceTimeout, Log: a.log,
		OneHost: a.config.Dedup.Store == "sqlite",
	}
}
