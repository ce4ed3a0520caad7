package integration

import (
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/event"
)

// TestPlainTopic: a topic of plain JSON, whose type, source and id come from the configuration.
func TestPlainTopic(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{partitions: 1})
	r.topics = fmt.Sprintf("[%s, {name: %s, plain: {type: %s, source: %s, id: [/provider_order_code, /service_code]}}]",
		r.status(), r.work(), workSync.typ, source)
	plain := func(order int) *ev {
		e := workSync.event(order)
		e.id = fmt.Sprintf("%d:P%d9:催派送", len(workSync.key(order)), order) // two parts, joined with their lengths in bytes
		e.topic, e.record.Headers = r.work(), nil
		return e
	}
	first, noID := plain(1), raw(event.Record{Key: []byte("P9"), Value: []byte(`{"provider_order_code":"P9"}`)})
	noID.topic = r.work()
	list := raw(event.Record{Value: []byte(`[1]`)})
	list.topic = r.work()
	cloud := workSync.event(2)                                   // the other topic is of CloudEvents
	r.publish(first, first.again(), noID, list, plain(2), cloud) // the same order, another id
	r.start()
	r.await(6)
	r.stop()
	fates := r.audit(claims{})
	r.expect(fates, map[string]int{"sync delivered": 3, "sync duplicate": 1, "other malformed_event": 2})
}
