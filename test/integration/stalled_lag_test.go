package integration

import (
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/simulator"
)

// TestLagOfAStalledPartition: partition_lag_records is the end offset minus the watermark, above all while a bound stops
// the fetch (contract section 9).
func TestLagOfAStalledPartition(t *testing.T) {
	t.Parallel()
	const most = 20
	r := newRelay(t, setup{partitions: 1})
	r.configure(fmt.Sprintf("consumer.max_unsettled=%d", most), "top.timeout=15s")
	hanging := logistics.events(1, 2*most)
	r.publish(hanging...)
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: hanging[0].key}, Action: simulator.Action{Delay: patience}})
	r.start()
	r.awaitMetric(fmt.Sprintf(`partition_stalled{cause="share",partition="0",topic=%q}`, r.status()), 1)
	lag := fmt.Sprintf(`partition_lag_records{partition="0",topic=%q}`, r.status())
	r.awaitMetric(lag, 2*most)
	r.publish(logistics.events(1, most)...)
	r.awaitMetric(lag, 3*most)
	r.gateway.faults()
	r.gateway.release()
	r.await(3 * most)
	r.stop()
	r.metric(map[string]float64{lag: 0})
	r.audit(claims{})
}
