package integration

import (
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/broker"
)

// TestMissingTopics: after topics_timeout the worker exits with 6 and names what is missing and what to do.
func TestMissingTopics(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{noTopics: true})
	r.create(r.status(), broker.Settings{})
	r.configure("kafka.topics_timeout=1s")
	p := r.launch()
	if code := p.wait(); code != 6 {
		t.Errorf("exit code %d, want 6", code)
	}
	for _, text := range []string{r.work(), r.dead(), r.actions(), "worker topics create"} {
		if !strings.Contains(p.last(), text) {
			t.Errorf("the error does not say %q: %s", text, p.last())
		}
	}
	if strings.Contains(p.last(), r.status()) {
		t.Errorf("the error names a topic that is there: %s", p.last())
	}
}

// TestTopicsThatComeInTime: the worker waits for topics, not ready, and consumes when they are made.
func TestTopicsThatComeInTime(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{noTopics: true})
	r.configure("kafka.topics_timeout=60s")
	r.start()
	r.awaitMissing("topics are missing")
	for _, topic := range []string{r.status(), r.work(), r.dead(), r.actions()} {
		r.create(topic, broker.Settings{})
	}
	r.publish(logistics.event(1))
	r.await(1)
	r.stop()
	r.audit(claims{})
}

// TestCompactedDeadLetterTopic: one letter could take the place of another.
func TestCompactedDeadLetterTopic(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{noTopics: true})
	r.create(r.status(), broker.Settings{})
	r.create(r.work(), broker.Settings{})
	r.create(r.dead(), broker.Settings{CleanupPolicy: "compact"})
	r.create(r.actions(), broker.Settings{})
	r.publish(logistics.event(1))
	p := r.launch()
	if code := p.wait(); code != 78 {
		t.Errorf("exit code %d, want 78", code)
	}
	if !strings.Contains(p.last(), "dead_letter_topic") || !strings.Contains(p.last(), "cleanup.policy=delete") {
		t.Errorf("the error does not say what is wrong and what to do: %s", p.last())
	}
	if n := len(r.gateway.log()); n != 0 {
		t.Errorf("%d calls of a worker that must not start", n)
	}
}
