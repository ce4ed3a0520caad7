package main

import (
	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
)

// defaultPartitions is how many partitions topics get where nothing else is said.
const defaultPartitions = 6

const (
	// letterRoom is what a dead letter may be larger than its event, in bytes: its added headers.
	letterRoom = 64 << 10
	// brokerMaxBytes is Kafka's default of max.message.bytes, for topics that do not exist yet.
	brokerMaxBytes = 1_048_588
)

// topicRole says what a topic is for.
type topicRole string

const (
	roleSource      topicRole = "events"
	roleInbound     topicRole = "inbound work orders"
	roleResults     topicRole = "results"
	roleDeadLetters topicRole = "dead letters"
	roleActions     topicRole = "actions on dead letters"
)

// plannedTopic is a topic that the configuration names.
type plannedTopic struct {
	name string
	role topicRole
}

// defaultResults is the name of the topic for results where the configuration gives none (contract section 2).
const defaultResults = "top.results"

// configuredTopics lists the topics of the configuration, in the order in which they are shown. Those for results and for
// inbound work orders are among them where they are switched on.
func configuredTopics(cfg *config.Config) []plannedTopic {
	var topics []plannedTopic
	for _, t := range cfg.Kafka.Topics {
		topics = append(topics, plannedTopic{t.Name, roleSource})
	}
	topics = append(topics, plannedTopic{cfg.Kafka.DeadLetterTopic, roleDeadLetters}, plannedTopic{cfg.Kafka.ActionsTopic, roleActions})
	if cfg.Kafka.ResultsTopic != "" {
		topics = append(topics, plannedTopic{cfg.Kafka.ResultsTopic, roleResults})
	}
	if cfg.Qimen.Inbound.Listen != "" {
		topics = append(topics, plannedTopic{cfg.Qimen.Inbound.Topic, roleInbound})
	}
	return topics
}

// usableTopics is all that a worker may use of the configuration once its switches are on: for a broker that was started
// without the worker's file.
func usableTopics(cfg *config.Config) []plannedTopic {
	topics := configuredTopics(cfg)
	if cfg.Kafka.ResultsTopic == "" {
		topics = append(topics, plannedTopic{defaultResults, roleResults})
	}
	return topics
}

// topicSizes is what the topics that keep letters have to be large enough for.
type topicSizes struct {
	partitions int   // the most of a source: a letter goes to the partition number of its event
	maxBytes   int64 // the largest max.message.bytes of a source
}

// spec is the topic as it is made. replicas is how many the cluster can keep, up to 3.
func (p plannedTopic) spec(sizes topicSizes, partitions, replicas int) broker.NewTopic {
	t := broker.NewTopic{Topic: broker.Topic{Name: p.name, Partitions: partitions, Replicas: replicas}}
	switch p.role {
	case roleDeadLetters:
		t.Partitions = sizes.partitions
	case roleActions:
		t.Partitions = 1 // every worker reads all of it, in its order
	default:
		return t
	}
	t.Settings = broker.Settings{CleanupPolicy: "delete", RetentionMS: -1, MaxMessageBytes: sizes.maxBytes + letterRoom}
	if replicas >= 3 {
		t.Settings.MinInSyncReplicas = 2
	}
	return t
}
