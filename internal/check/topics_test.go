package check

import (
	"testing"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/embedded"
)

// defaultTopics are the topics as they should be.
func defaultTopics() map[string]embedded.Topic {
	keep := map[string]string{"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": "1114124"}
	return map[string]embedded.Topic{
		"top.status-changes": {Partitions: 2}, "top.work-orders": {Partitions: 3},
		"top.dead-letters": {Partitions: 3, Config: keep}, "top.dead-letters.actions": {Config: keep},
	}
}

func TestTopics(t *testing.T) {
	p := newPlace(t)
	addr := startBroker(t, embedded.Options{Topics: defaultTopics()})
	want(t, look(t, p.load("kafka.brokers="+addr), Topics),
		"ok topics top.status-changes: events, 2 partitions, 1 replica",
		"ok topics top.work-orders: events, 3 partitions, 1 replica",
		"ok topics top.dead-letters: dead letters, 3 partitions, 1 replica",
		"ok topics top.dead-letters.actions: actions on dead letters, 1 partition, 1 replica")
	want(t, look(t, p.load("kafka.brokers="+addr, "kafka.results_topic=top.results", "kafka.topics=top.work-orders,wms.orders"), Topics),
		"failed/unreachable topics missing: wms.orders, top.results … worker topics create",
		"ok topics top.work-orders", "ok topics top.dead-letters", "ok topics top.dead-letters.actions")
	// A dry run writes none.
	want(t, look(t, p.load("kafka.brokers="+addr, "kafka.topics=top.work-orders,wms.orders", "kafka.results_topic=top.results", "top.dry_run=true"), Topics),
		"failed/unreachable topics missing: wms.orders;", "ok topics top.work-orders")
	// The ledger must know an id for as long as its event can come again: Kafka's default is 7 days.
	want(t, look(t, p.load("kafka.brokers="+addr, "kafka.topics=top.work-orders", "dedup.retention=24h"), Topics),
		"warning topics top.work-orders keeps events for 168h0m0s and the ledger remembers them for 24h0m0s … dedup.retention",
		"ok topics top.dead-letters", "ok topics top.dead-letters.actions")
}

func TestTopicsThatLoseLetters(t *testing.T) {
	addr := startBroker(t, embedded.Options{Topics: map[string]embedded.Topic{
		"top.work-orders": {Partitions: 3, Config: map[string]string{"retention.ms": "-1"}},
		"top.dead-letters": {Partitions: 1, Config: map[string]string{
			"cleanup.policy": "compact,delete", "retention.ms": "604800000", "max.message.bytes": "900000"}},
		"top.dead-letters.actions": {},
	}})
	want(t, look(t, newPlace(t).load("kafka.brokers="+addr, "kafka.topics=top.work-orders"), Topics),
		"warning topics top.work-orders keeps events for ever",
		"failed/fault topics top.dead-letters is compacted … --entity-name top.dead-letters --add-config cleanup.policy=delete",
		"warning topics top.dead-letters keeps records for 168h0m0s, less than 90 days … retention.ms=-1",
		"failed/fault topics top.dead-letters: max.message.bytes=900000 is too small … max.message.bytes=1114124",
		"warning topics top.dead-letters has 1 partitions and the events have 3",
		"warning topics top.dead-letters.actions keeps records for 168h0m0s")
}

// What a cluster of one broker cannot have.
func TestJudge(t *testing.T) {
	day := (24 * time.Hour).Milliseconds()
	letters := broker.Settings{CleanupPolicy: "delete", RetentionMS: -1, MaxMessageBytes: 1_114_124, MinInSyncReplicas: 2}
	from := sources{partitions: 6, maxBytes: 1_048_588}
	for _, test := range []struct {
		name     string
		use      topicUse
		replicas int
		change   func(*broker.Settings)
		line     string
	}{
		{"well", forLetters, 3, func(*broker.Settings) {}, "ok judge t: dead letters, 6 partitions, 3 replicas"},
		{"90 days are enough", forLetters, 3, func(s *broker.Settings) { s.RetentionMS = 90 * day }, "ok judge"},
		{"89 are not", forLetters, 3, func(s *broker.Settings) { s.RetentionMS = 89 * day }, "warning judge less than 90 days"},
		{"longer than time", forLetters, 3, func(s *broker.Settings) { s.RetentionMS = 1<<63 - 1 }, "ok judge"},
		{"one in sync", forLetters, 3, func(s *broker.Settings) { s.MinInSyncReplicas = 1 }, "warning judge min.insync.replicas=1 … min.insync.replicas=2"},
		{"one in sync of two", forLetters, 2, func(s *broker.Settings) { s.MinInSyncReplicas = 1 }, "ok judge"},
		{"one in sync, events", forEvents, 3, func(s *broker.Settings) { s.MinInSyncReplicas, s.RetentionMS = 1, day }, "ok judge"},
		{"one in sync, results", forResults, 3, func(s *broker.Settings) { s.MinInSyncReplicas = 1 }, "warning judge min.insync.replicas=1"},
		{"more in sync than there are", forResults, 1, func(*broker.Settings) {}, "failed/fault judge min.insync.replicas=2 with 1 replica: nothing can be written … min.insync.replicas=1"},
		{"no room above the events'", forLetters, 3, func(s *broker.Settings) { s.MaxMessageBytes-- }, "warning judge max.message.bytes=1114123 … max.message.bytes=1114124"},
		{"room for the largest events", forLetters, 3, func(s *broker.Settings) { s.MaxMessageBytes = 987_136 }, "warning judge max.message.bytes=987136"},
		{"no room for them", forLetters, 3, func(s *broker.Settings) { s.MaxMessageBytes = 987_135 }, "failed/fault judge max.message.bytes=987135"},
		{"actions are kept", forActions, 3, func(s *broker.Settings) { s.CleanupPolicy = "compact" }, "failed/fault judge compacted"},
		{"events of 14 days", forEvents, 3, func(s *broker.Settings) { s.RetentionMS = 14 * day }, "ok judge"},
		{"events of more", forEvents, 3, func(s *broker.Settings) { s.RetentionMS = 14*day + 1 }, "warning judge keeps events for 336h0m0.001s … dedup.retention"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &run{Options: Options{Config: newPlace(t).load()}, name: "judge"}
			s := letters
			test.change(&s)
			r.judge(&topicRow{name: "t", use: test.use, there: true, settings: s, topic: broker.Topic{Partitions: 6, Replicas: test.replicas}}, from)
			want(t, r.findings, test.line)
		})
	}
}
