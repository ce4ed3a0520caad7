package broker

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

func TestCreateTopic(t *testing.T) {
	t.Parallel()
	c, name := newClient(t), newName(t)
	topic := NewTopic{
		Topic:    Topic{Name: name, Partitions: 3, Replicas: 1},
		Settings: Settings{CleanupPolicy: "delete", RetentionMS: -1, MaxMessageBytes: 2 << 20},
	}
	if err := c.CreateTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	until(t, "the topic is there", func() error {
		topics, err := c.Topics(t.Context(), name)
		if err == nil && topics[name] != topic.Topic {
			err = errors.New("not as it was asked for")
		}
		return err
	})
	var settings map[string]Settings
	until(t, "the settings are there", func() (err error) {
		settings, err = c.Settings(t.Context(), name)
		return err
	})
	got := settings[name]
	if got.MinInSyncReplicas < 1 {
		t.Errorf("min.insync.replicas is %d, want the cluster's default", got.MinInSyncReplicas)
	}
	got.MinInSyncReplicas = 0
	if got != topic.Settings {
		t.Errorf("got %+v, want %+v", got, topic.Settings)
	}
	if err := c.CreateTopic(t.Context(), topic); !errors.Is(err, kafka.TopicAlreadyExists) {
		t.Errorf("again: got %v, want error 36", err)
	}
	topic.Name, topic.Replicas = newName(t), 3
	if err := c.CreateTopic(t.Context(), topic); !errors.Is(err, ErrReplicas) {
		t.Errorf("three replicas on one broker: got %v, want ErrReplicas", err)
	}
	if n, err := c.Brokers(t.Context()); n != 1 || err != nil {
		t.Errorf("%d brokers, %v; want 1", n, err)
	}
	if settings, err := c.Settings(t.Context()); len(settings) != 0 || err != nil {
		t.Errorf("no topics: %v, %v", settings, err)
	}
}

func TestKept(t *testing.T) {
	for s, want := range map[Settings]time.Duration{
		{CleanupPolicy: "delete", RetentionMS: 1000}:              time.Second,
		{CleanupPolicy: "compact,delete", RetentionMS: 1000}:      time.Second,
		{CleanupPolicy: "compact", RetentionMS: 1000}:             -1,
		{CleanupPolicy: "delete", RetentionMS: -1}:                -1,
		{CleanupPolicy: "delete", RetentionMS: 0}:                 0,
		{CleanupPolicy: "delete", RetentionMS: math.MaxInt64}:     -1,
		{CleanupPolicy: "delete", RetentionMS: 9223372036854}:     9223372036854 * time.Millisecond,
		{CleanupPolicy: "delete", RetentionMS: 9223372036854 + 1}: -1,
	} {
		if got := s.Kept(); got != want {
			t.Errorf("%+v: %v, want %v", s, got, want)
		}
	}
}

func TestGroupsThatDoNotExist(t *testing.T) {
	t.Parallel()
	c, name := newClient(t), newName(t)
	until(t, "the coordinator is there", func() error {
		offsets, err := c.GroupOffsets(t.Context(), name)
		if err == nil && len(offsets) != 0 {
			t.Errorf("offsets %v", offsets)
		}
		return err
	})
	if g, err := c.Group(t.Context(), name); err != nil || len(g.Members) != 0 {
		t.Errorf("got %+v, %v; want no members", g, err)
	}
}
