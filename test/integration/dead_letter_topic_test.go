package integration

import (
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/simulator"
)

// refusal makes the platform reject the events of an order.
func refusal(e *ev) simulator.Fault {
	return simulator.Fault{Match: simulator.Match{Key: e.key}, Action: simulator.Action{Code: 15, SubCode: "isv.order-closed"}}
}

// committed is what the group has committed of partition 0 of the topic for status changes.
func (r *relay) committed() int64 {
	r.t.Helper()
	offsets, err := r.client.GroupOffsets(r.ctx(), r.name)
	r.must(err)
	return offsets[consumer.TopicPartition{Topic: r.status(), Partition: 0}]
}

// TestDeadLetterTopicDeleted: while letters cannot be written nothing is committed past their events, the worker says so,
// everything else flows, and when the topic is back the letter is written without a second call.
func TestDeadLetterTopicDeleted(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	good, rejected, invalid := logistics.event(1), logistics.event(2), logistics.event(3).and(map[string]any{"nonsense": 1})
	r.gateway.faults(refusal(rejected))
	r.start()
	r.awaitReady()
	r.remove(r.dead())
	r.sampleCommits()
	r.publish(good, rejected, invalid, logistics.event(1), logistics.event(4))
	r.await(3)
	r.awaitLog("the dead-letter topic did not take a letter", 1)
	r.awaitMetric(`keys_waiting{reason="dead_letter"}`, 2)
	if what := r.missing(); what != "" {
		t.Errorf("a dead-letter topic that is away makes the worker not ready: %s", what)
	}
	r.until("what is before the first letter is committed", func() error { return want(r.committed(), 1) })
	r.create(r.dead(), broker.Settings{})
	r.await(2)
	r.awaitLog("the dead-letter topic takes letters again", 1)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"logistics delivered": 3, "logistics rejected": 1, "logistics invalid_data": 1})
	if n := len(of(r.gateway.log(), byMark(rejected.mark))); n != 1 {
		t.Errorf("%d calls of an event whose letter had to wait", n)
	}
	if n := strings.Count(r.log.String(), "the dead-letter topic did not take a letter"); n != 1 {
		t.Errorf("the log says %d times within a minute that a letter could not be written", n)
	}
}

// TestDeadLetterTopicTooSmall: a letter that the topic does not take becomes a reference; where it does not even take
// that, the event waits until it does.
func TestDeadLetterTopicTooSmall(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1, noTopics: true})
	r.create(r.status(), broker.Settings{})
	r.create(r.work(), broker.Settings{})
	r.create(r.dead(), broker.Settings{MaxMessageBytes: 3000})
	r.create(r.actions(), broker.Settings{})
	long := logistics.event(1).and(map[string]any{"nonsense": strings.Repeat("x", 8000)})
	r.start()
	r.publish(long)
	r.await(1)
	letter := r.letters()[0]
	if header(letter, "toprelay-size") == "" || letter.Value != nil || header(letter, "toprelay-pointer") != "/nonsense" {
		t.Errorf("the letter of an event that the topic calls too large has %d bytes, size %q, pointer %q",
			len(letter.Value), header(letter, "toprelay-size"), header(letter, "toprelay-pointer"))
	}
	r.alter(r.dead(), "max.message.bytes", "200")
	rejected := logistics.event(2)
	r.gateway.faults(refusal(rejected))
	r.publish(rejected, logistics.event(3))
	r.await(1)
	r.awaitLog("the dead-letter topic did not take a letter", 1)
	if n := r.committed(); n > 1 {
		t.Errorf("committed %d, past an event whose letter is not written", n)
	}
	r.alter(r.dead(), "max.message.bytes", "100000")
	r.await(1)
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 1, "logistics rejected": 1, "logistics invalid_data": 1})
	if n := len(of(r.gateway.log(), byMark(rejected.mark))); n != 1 {
		t.Errorf("%d calls of an event whose letter had to wait", n)
	}
}

// TestStopWhileALetterWaits: the event of a letter that could not be written is not committed. A worker that starts
// anew writes it, after the call that its ledger does not know of.
func TestStopWhileALetterWaits(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	invalid := logistics.event(1).and(map[string]any{"nonsense": 1})
	r.start()
	r.awaitReady()
	r.remove(r.dead())
	r.publish(invalid, logistics.event(2))
	r.await(1)
	r.awaitLog("the dead-letter topic did not take a letter", 1)
	r.stop()
	if lag := r.lag(); lag != 2 {
		t.Errorf("lag %d: nothing may be committed past the event whose letter waits", lag)
	}
	r.create(r.dead(), broker.Settings{})
	r.start()
	r.settleAll()
	r.stop()
	r.expect(r.audit(claims{restarted: true}), map[string]int{"logistics delivered": 1, "logistics invalid_data": 1})
}
