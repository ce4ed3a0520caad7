package integration

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestTransactions: what a transactional producer aborted is never delivered, its markers are no events, and a drained
// topic has lag 0 past them.
func TestTransactions(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	producer := r.other(kgo.TransactionalID(r.name), kgo.DefaultProduceTopic(r.status()))
	write := func(end kgo.TransactionEndTry, events ...*ev) {
		r.must(producer.BeginTransaction())
		for _, e := range events {
			e.topic = r.status()
			e.record.Headers = append(e.record.Headers, place())
			record := &kgo.Record{Key: e.record.Key, Value: e.record.Value}
			for _, h := range e.record.Headers {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
			}
			r.must(producer.ProduceSync(r.ctx(), record).FirstErr())
		}
		r.must(producer.EndTransaction(r.ctx(), end))
		if end == kgo.TryCommit {
			r.published = append(r.published, events...)
		}
	}
	aborted := logistics.events(1, 3)
	r.start()
	write(kgo.TryCommit, logistics.events(1, 2)...)
	write(kgo.TryAbort, aborted...)
	write(kgo.TryCommit, logistics.events(1, 2)...)
	write(kgo.TryAbort, logistics.events(2, 1)...)
	r.await(4)
	r.settleAll()
	r.stop()
	r.expect(r.audit(claims{}), map[string]int{"logistics delivered": 4})
	for _, e := range aborted {
		if n := len(of(r.gateway.log(), byMark(e.mark))); n != 0 {
			t.Errorf("an aborted event was sent")
		}
	}
	// Four aborted records and four markers.
	r.metric(map[string]float64{`skipped_offsets_total{cause="transaction",topic="` + r.status() + `"}`: 8})
}
