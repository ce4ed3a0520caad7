package integration

import (
	"strings"
	"syscall"
	"testing"

	"github.com/toprelay/worker/internal/broker/embedded"
)

// ownBroker is an embedded broker of one test, which the test can stop. What is written stays over a stop.
type ownBroker struct {
	t    *testing.T
	door door
	dir  string
	b    *embedded.Broker
}

func newOwnBroker(t *testing.T) *ownBroker {
	o := &ownBroker{t: t, door: newDoor(t), dir: t.TempDir()}
	t.Cleanup(o.stop)
	return o
}

func (o *ownBroker) start(topics ...string) {
	o.t.Helper()
	want := map[string]embedded.Topic{}
	for _, topic := range topics {
		want[topic] = embedded.Topic{Partitions: 2}
	}
	b, err := embedded.Start(embedded.Options{Listen: o.door.addr, DataDir: o.dir, Topics: want})
	if err != nil {
		o.t.Fatal(err)
	}
	o.b = b
}

func (o *ownBroker) stop() {
	if o.b != nil {
		o.b.Close()
		o.b = nil
	}
}

// TestKafkaAwayAtStart: the worker waits, alive and not ready, says so once, and consumes when Kafka is there.
func TestKafkaAwayAtStart(t *testing.T) {
	t.Parallel()
	kafka := newOwnBroker(t)
	r := newRelay(t, setup{broker: kafka.door.addr, noTopics: true})
	r.start()
	r.awaitMissing("Kafka does not answer")
	if status, _ := r.get("/livez"); status != 200 {
		t.Errorf("/livez answers %d", status)
	}
	r.awaitLog("Kafka does not answer", 1)
	kafka.start(r.status(), r.work(), r.dead(), r.actions())
	r.awaitReady()
	r.awaitLog(`"msg":"ready"`, 1)
	if n := strings.Count(r.log.String(), "Kafka does not answer"); n != 1 {
		t.Errorf("the log says %d times within a minute that Kafka does not answer", n)
	}
	for _, k := range kinds {
		r.publish(k.event(1))
	}
	r.await(5)
	r.stop()
	r.audit(claims{})
}

// TestStopWhileKafkaIsAway: a worker that still waits for Kafka stops at once, with 0.
func TestStopWhileKafkaIsAway(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{broker: newDoor(t).addr, noTopics: true})
	p := r.launch()
	p.awaitLog("Kafka does not answer")
	p.signal(syscall.SIGTERM)
	if code := p.wait(); code != 0 {
		t.Errorf("exit code %d: %s", code, p.last())
	}
}

// TestKafkaAwayLater: a broker that goes away and comes back. Meanwhile the worker is not ready, its log does not fill,
// and afterwards it goes on where it was: nothing lost, nothing sent twice.
func TestKafkaAwayLater(t *testing.T) {
	t.Parallel()
	kafka := newOwnBroker(t)
	r := newRelay(t, setup{broker: kafka.door.addr, noTopics: true})
	kafka.start(r.status(), r.work(), r.dead(), r.actions())
	r.configure("kafka.session_timeout=3s", "kafka.heartbeat_interval=500ms")
	r.start()
	for _, k := range kinds {
		r.publish(k.event(1), k.event(2))
	}
	r.publish(logistics.event(3).and(map[string]any{"nonsense": 1}))
	r.await(11)
	kafka.stop()
	r.awaitMissing("group")
	if status, _ := r.get("/livez"); status != 200 {
		t.Errorf("/livez answers %d", status)
	}
	r.awaitLog("Kafka does not answer; waiting for it", 1)
	marked := len(r.log.String())
	kafka.start()
	r.connect()
	r.awaitReady()
	for _, k := range kinds {
		r.publish(k.event(3), k.event(4))
	}
	r.settleAll() // what was not committed when the broker went away is settled once more, as it was
	r.stop()
	if n := len(entries(r.log.String()[:marked], "Kafka does not answer; waiting for it")); n != 1 {
		t.Errorf("said %d times that Kafka does not answer", n)
	}
	if n := len(entries(r.log.String(), "Kafka answers again")); n != 1 {
		t.Errorf("said %d times that Kafka answers again", n)
	}
	if n := strings.Count(r.log.String()[:marked], `"level":"WARN"`); n > 4 {
		t.Errorf("the log has %d warnings of one outage of Kafka", n)
	}
	r.metrics = nil // what was fetched before the outage and not committed is fetched again, and counted
	r.audit(claims{})
}
