package config

import (
	"fmt"
	"strings"
)

func (v *validation) kafka() {
	k := v.c.Kafka
	if 2*k.HeartbeatInterval >= k.SessionTimeout {
		v.problem(v.set("kafka.heartbeat_interval", "kafka.session_timeout"),
			"heartbeat_interval (%s) is not below half of session_timeout (%s): one lost heartbeat would end the membership; lower it", durationText(k.HeartbeatInterval), durationText(k.SessionTimeout))
	}
	v.tls("kafka.tls", k.TLS)
	if k.SASL != nil {
		v.secret("kafka.sasl.password_file", k.SASL.PasswordFile)
	}
}

// topics refuses a topic with two uses: a worker that consumes what it writes goes round in circles.
func (v *validation) topics() {
	k := v.c.Kafka
	use := map[string]string{}
	for i, t := range k.Topics {
		key := fmt.Sprintf("kafka.topics[%d]", i)
		if first, twice := use[t.Name]; twice {
			v.problem(key, "the topic %s stands here twice, first as %s; remove one", t.Name, first)
			continue
		}
		use[t.Name] = key
	}
	for _, own := range []struct{ key, topic, what string }{
		{"kafka.dead_letter_topic", k.DeadLetterTopic, "its own dead letters"},
		{"kafka.actions_topic", k.ActionsTopic, "its operators' actions"},
		{"kafka.results_topic", k.ResultsTopic, "its own results"},
		{"qimen.inbound.topic", v.c.Qimen.Inbound.Topic, "what the platform issued to us, and send it back"},
	} {
		if own.topic == "" {
			continue
		}
		first, taken := use[own.topic]
		switch {
		case !taken:
			use[own.topic] = own.key
		case strings.HasPrefix(first, "kafka.topics["):
			v.problem(first, "%s is the topic of %s: the worker would consume %s; remove it from kafka.topics", own.topic, own.key, own.what)
		default:
			v.problem(own.key, "the topic %s is that of %s too; choose another", own.topic, first)
		}
	}
}

// plainTopics checks the types of topics of plain JSON.
func (v *validation) plainTopics() {
	for i, t := range v.c.Kafka.Topics {
		if t.Plain != nil {
			v.eventType(fmt.Sprintf("kafka.topics[%d].plain.type", i), t.Plain.Type)
		}
	}
}
