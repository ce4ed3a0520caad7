package integration

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestPositionThatRetentionOvertook: records that were removed before they were delivered stop their partition, with an
// alert; nothing is skipped in silence, and the other partitions flow.
func TestPositionThatRetentionOvertook(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	r.start()
	r.publish(logistics.event(1).at(0), logistics.event(2).at(1))
	r.await(2)
	r.stop()
	for range 3 {
		r.publish(logistics.event(1).at(0))
	}
	r.deleteRecords(r.status(), 0, 3) // committed is 1
	r.start()
	r.publish(logistics.event(3).at(1))
	r.await(1)
	stalled := fmt.Sprintf(`partition_stalled{cause="offset_out_of_range",partition="0",topic=%q}`, r.status())
	r.awaitMetric(stalled, 1)
	r.awaitLog("a partition stops", 1)
	r.stop()
	if n := len(r.gateway.log()); n != 3 {
		t.Errorf("%d calls, want 3: none of the partition whose position is lost", n)
	}
	if n := r.committed(); n != 1 {
		t.Errorf("committed %d of the partition whose position is lost, want what it was, 1", n)
	}
}

// deleteRecords removes the records of a partition before an offset, as retention does.
func (r *relay) deleteRecords(topic string, partition int, before int64) {
	r.t.Helper()
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = int32(partition), before
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic, rt.Partitions = topic, append(rt.Partitions, rp)
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(r.ctx(), r.other())
	if err == nil && resp.Topics[0].Partitions[0].ErrorCode != 0 {
		err = fmt.Errorf("delete records: error %d", resp.Topics[0].Partitions[0].ErrorCode)
	}
	r.must(err)
}
