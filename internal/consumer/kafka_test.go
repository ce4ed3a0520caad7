package consumer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	errNoKafka      = fmt.Errorf("fetch: %w", ErrAway)
	errKafkaRefuses = fmt.Errorf("fetch: the login is refused: %w", ErrRefused)
)

// troubles are the messages of all warnings, in their order.
func (r *rig) troubles() []string {
	r.t.Helper()
	var said []string
	for line := range strings.Lines(r.logs.String()) {
		if strings.Contains(line, `"level":"WARN"`) {
			_, after, _ := strings.Cut(line, `"msg":"`)
			message, _, _ := strings.Cut(after, `"`)
			said = append(said, message)
		}
	}
	return said
}

// Kafka goes away under a worker with twelve partitions, puts it out of the group, and comes back: that is one line, one
// more each minute, and one at the end.
func TestKafkaAway(t *testing.T) {
	for want, err := range map[string]error{
		"Kafka does not answer; waiting for it": errNoKafka, "the connection to Kafka is refused; waiting for it": errKafkaRefuses,
	} {
		in(t, nil, func(r *rig) {
			var parts []TopicPartition
			for i := range 12 {
				parts = append(parts, part(i))
			}
			g := r.kafka.assign(parts...)
			r.start()
			r.produce(status("e-1", 1))
			g.set(func(g *fakeGeneration) {
				g.fetchErr, g.commitErr = func(TopicPartition, int64) error { return err }, func() error { return err }
			})
			r.pass(10 * time.Second)
			r.want("said", r.troubles(), []string{want})
			if l := r.logs.with(t, want)[0]; l["partitions"] != 12.0 || l["error"] != err.Error() {
				t.Errorf("the line is %v", l)
			}
			r.kafka.mu.Lock()
			r.kafka.joinErrs = slices.Repeat([]error{err}, 100)
			r.kafka.mu.Unlock()
			g.rebalance()
			r.pass(40 * time.Second)
			r.want("said", r.troubles(), []string{want})
			r.pass(40 * time.Second)
			r.want("said", r.troubles(), []string{want, want})
			r.kafka.assign(parts...)
			r.pass(time.Minute)
			r.want("said", r.troubles(), []string{want, want})
			if back := r.logs.with(t, "Kafka answers again"); len(back) != 1 || back[0]["after"].(float64) < 100 {
				t.Errorf("its end is said as %v", back)
			}
		})
	}
}

// One broker of several is away: its partitions wait, and that the others answer does not end the trouble.
func TestOneBrokerAway(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(1), part(2))
		g.fetchErr = func(tp TopicPartition, _ int64) error { return map[bool]error{true: errNoKafka}[tp != part(0)] }
		r.start()
		for i := range 50 {
			r.produce(status(fmt.Sprint("e-", i), 1))
			r.pass(time.Second)
		}
		r.want("said", r.troubles(), []string{"Kafka does not answer; waiting for it"})
		if l := r.logs.with(t, "Kafka does not answer; waiting for it")[0]; l["partitions"] != 2.0 {
			t.Errorf("the line is %v", l)
		}
		r.want("ends", len(r.logs.with(t, "Kafka answers again")), 0)
		g.set(func(g *fakeGeneration) { g.fetchErr = nil })
		r.pass(2 * time.Second)
		r.want("ends", len(r.logs.with(t, "Kafka answers again")), 1)
	})
}

// After a restart of a broker each connection fails once.
func TestKafkaBlip(t *testing.T) {
	in(t, nil, func(r *rig) {
		failed := map[TopicPartition]bool{}
		g := r.kafka.assign(part(0), part(1), part(2))
		g.fetchErr = func(tp TopicPartition, _ int64) error {
			if failed[tp] {
				return nil
			}
			failed[tp] = true
			return errNoKafka
		}
		r.start()
		r.pass(2 * time.Minute)
		r.want("said", len(r.troubles()), 0)
		r.want("ends", len(r.logs.with(t, "Kafka answers again")), 0)
	})
}

// What got no answer is lost to another member, fetches and commits alike: what is left of the trouble ends with the next
// answer.
func TestSilentPartitionsAreLost(t *testing.T) {
	in(t, nil, func(r *rig) {
		g := r.kafka.assign(part(0), part(1))
		g.fetchErr = func(tp TopicPartition, _ int64) error { return map[bool]error{true: errNoKafka}[tp == part(1)] }
		g.commitErr = func() error { return errNoKafka }
		r.start()
		r.produce(status("e-1", 1))
		r.pass(5 * time.Second)
		g.rebalance()
		synctest.Wait()
		r.want("ends", len(r.logs.with(t, "Kafka answers again")), 0)
		r.kafka.assign(part(2))
		synctest.Wait()
		r.want("said", r.troubles(), []string{"Kafka does not answer; waiting for it"})
		r.want("ends", len(r.logs.with(t, "Kafka answers again")), 1)
	})
}
