package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// Topic is a topic as the cluster has it.
type Topic struct {
	Name       string
	Partitions int
	Replicas   int // of the partition with the fewest
}

// Topics asks the cluster for topics, past the picture that the client keeps. Those that do not exist are not in the
// answer, and are not created by asking: kafka-go's own dialer asks in the way that makes brokers create them.
func (c *Client) Topics(ctx context.Context, names ...string) (map[string]Topic, error) {
	t := c.newTransport()
	t.MetadataTopics = names
	defer t.CloseIdleConnections()
	r, err := c.newClient(t).Metadata(ctx, &kafka.MetadataRequest{Topics: names})
	if err != nil {
		return nil, fmt.Errorf("topics: %w", c.explain(err))
	}
	topics := make(map[string]Topic, len(names))
	for _, t := range r.Topics {
		if errors.Is(t.Error, kafka.UnknownTopicOrPartition) {
			continue
		}
		if t.Error != nil {
			return nil, fmt.Errorf("topic %s: %w", t.Name, t.Error)
		}
		topic := Topic{Name: t.Name, Partitions: len(t.Partitions)}
		for i, p := range t.Partitions {
			if i == 0 || len(p.Replicas) < topic.Replicas {
				topic.Replicas = len(p.Replicas)
			}
		}
		topics[t.Name] = topic
	}
	return topics, nil
}

// Brokers counts the brokers of the cluster.
func (c *Client) Brokers(ctx context.Context) (int, error) {
	r, err := c.client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{}})
	if err != nil {
		return 0, fmt.Errorf("brokers: %w", c.explain(err))
	}
	return len(r.Brokers), nil
}

// Settings are those settings of a topic that the worker depends on.
type Settings struct {
	CleanupPolicy     string // "delete", "compact" or both with a comma
	RetentionMS       int64  // milliseconds; -1: for ever
	MaxMessageBytes   int64  // of a batch
	MinInSyncReplicas int
}

const (
	configCleanup   = "cleanup.policy"
	configRetention = "retention.ms"
	configMaxBytes  = "max.message.bytes"
	configMinISR    = "min.insync.replicas"
)

// Map is the settings under the names that Kafka gives them. Those that are zero are left out.
func (s Settings) Map() map[string]string {
	m := map[string]string{}
	if s.CleanupPolicy != "" {
		m[configCleanup] = s.CleanupPolicy
	}
	for name, n := range map[string]int64{
		configRetention: s.RetentionMS, configMaxBytes: s.MaxMessageBytes, configMinISR: int64(s.MinInSyncReplicas),
	} {
		if n != 0 {
			m[name] = strconv.FormatInt(n, 10)
		}
	}
	return m
}

// Kept is how long a topic keeps records; negative: for ever. One that is only compacted keeps the last record of each key.
func (s Settings) Kept() time.Duration {
	const longest = math.MaxInt64 / int64(time.Millisecond) // 292 years
	if s.RetentionMS < 0 || s.RetentionMS > longest || s.CleanupPolicy == "compact" {
		return -1
	}
	return time.Duration(s.RetentionMS) * time.Millisecond
}

// Settings asks for the settings of topics that exist.
func (c *Client) Settings(ctx context.Context, topics ...string) (map[string]Settings, error) {
	if len(topics) == 0 {
		return map[string]Settings{}, nil
	}
	req := &kafka.DescribeConfigsRequest{}
	for _, name := range topics {
		req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
			ResourceType: kafka.ResourceTypeTopic, ResourceName: name,
			ConfigNames: []string{configCleanup, configRetention, configMaxBytes, configMinISR},
		})
	}
	r, err := c.client.DescribeConfigs(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("settings of topics: %w", c.explain(err))
	}
	settings := make(map[string]Settings, len(topics))
	for _, res := range r.Resources {
		if res.Error != nil {
			return nil, fmt.Errorf("settings of topic %s: %w", res.ResourceName, res.Error)
		}
		s, err := readSettings(res.ConfigEntries)
		if err != nil {
			return nil, fmt.Errorf("settings of topic %s: %w", res.ResourceName, err)
		}
		settings[res.ResourceName] = s
	}
	return settings, nil
}

func readSettings(entries []kafka.DescribeConfigResponseConfigEntry) (Settings, error) {
	var s Settings
	number := func(e kafka.DescribeConfigResponseConfigEntry) (int64, error) {
		n, err := strconv.ParseInt(e.ConfigValue, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", e.ConfigName, err)
		}
		return n, nil
	}
	for _, e := range entries {
		var err error
		switch e.ConfigName {
		case configCleanup:
			s.CleanupPolicy = e.ConfigValue
		case configRetention:
			s.RetentionMS, err = number(e)
		case configMaxBytes:
			s.MaxMessageBytes, err = number(e)
		case configMinISR:
			var n int64
			n, err = number(e)
			s.MinInSyncReplicas = int(n)
		}
		if err != nil {
			return Settings{}, err
		}
	}
	return s, nil
}

// NewTopic is a topic to create. Settings that are zero are left to the cluster's defaults.
type NewTopic struct {
	Topic
	Settings Settings
}

// CreateTopic creates a topic and waits until the cluster knows it. One that exists already is an error that is
// kafka.TopicAlreadyExists, and stays as it is. One with more replicas than there are brokers is ErrReplicas.
//
// There is no dry run: kafka-go waits for the topic to appear after a request that only validates, too, until the time
// is over.
func (c *Client) CreateTopic(ctx context.Context, t NewTopic) error {
	config := kafka.TopicConfig{Topic: t.Name, NumPartitions: t.Partitions, ReplicationFactor: t.Replicas}
	for name, value := range t.Settings.Map() {
		config.ConfigEntries = append(config.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	r, err := c.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}})
	if err == nil {
		err = r.Errors[t.Name]
	}
	switch {
	case errors.Is(err, kafka.InvalidReplicationFactor):
		return fmt.Errorf("create topic %s: %w", t.Name, ErrReplicas)
	case err != nil:
		return fmt.Errorf("create topic %s: %w", t.Name, c.explain(err))
	}
	return nil
}
