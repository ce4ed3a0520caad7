package main

import (
	"strings"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/broker/recordjson"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/event"
)

// The default topics by type (contract section 2).
const (
	statusTopic = "top.status-changes"
	ordersTopic = "top.work-orders"
	statusTypes = ".status.v"
)

// rawLine reads lines that are records.
type rawLine struct{ topic string }

func (l rawLine) parse(text []byte) (broker.Outgoing, *lineProblem) {
	r, err := recordjson.Unmarshal(text)
	if err != nil {
		return broker.Outgoing{}, badLine("%v", err)
	}
	o := broker.Outgoing{Topic: r.Topic, Partition: broker.ByKey}
	if o.Topic == "" {
		o.Topic = l.topic
	}
	if o.Topic == "" {
		return o, badLine("no topic: give it in the line or with --topic")
	}
	if r.Partition != recordjson.NoPartition {
		o.Partition = r.Partition
	}
	o.Record = event.Record{Key: r.Key, Value: r.Value, Headers: r.Headers}
	return o, nil
}

// eventLine reads lines that are events. It is safe for concurrent use.
type eventLine struct {
	judge      *eventJudge
	routes     map[string]string // topic by type
	topic      string            // of lines that name none
	topics     []config.Topic    // kafka.topics
	consumed   map[string]bool   // their names
	noValidate bool
}

func newEventLine(judge *eventJudge, routes map[string]string, topic string, topics []config.Topic) *eventLine {
	l := &eventLine{judge: judge, routes: routes, topic: topic, topics: topics, consumed: map[string]bool{}}
	for _, t := range topics {
		l.consumed[t.Name] = true
	}
	return l
}

// parse makes a record of an event that the worker would accept.
func (l *eventLine) parse(text []byte) (broker.Outgoing, *lineProblem) {
	parts, problem := splitEvent(text)
	if problem != nil {
		return broker.Outgoing{}, problem
	}
	o := broker.Outgoing{Partition: broker.ByKey, Record: parts.record()}
	e, key, problem := l.judge.judge(&o.Record)
	if problem != nil && !l.noValidate {
		return o, problem
	}
	if !parts.keyed && key != "" {
		o.Record.Key = []byte(key)
	}
	if o.Topic = l.topicOf(parts.topic, e.Type); o.Topic == "" {
		return o, &lineProblem{ID: e.ID, Type: e.Type, Reason: "bad_line",
			Message: "no topic: kafka.topics has several and none of them is the default one of this type; give it in the line, with --route or with --topic"}
	}
	return o, nil
}

func (l *eventLine) topicOf(inLine, eventType string) string {
	byType := ordersTopic
	if strings.Contains(eventType, statusTypes) {
		byType = statusTopic
	}
	switch {
	case inLine != "":
		return inLine
	case l.routes[eventType] != "":
		return l.routes[eventType]
	case l.topic != "":
		return l.topic
	case l.consumed[byType]:
		return byType
	case len(l.topics) == 1:
		return l.topics[0].Name
	default:
		return ""
	}
}
