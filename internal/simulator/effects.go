package simulator

import (
	"encoding/json"
	"strconv"
	"sync"

	"github.com/toprelay/worker/schemas"
)

// effect is what a method does at the back end. It returns the fields of the reply beside the success field, and
// whether the same thing had been done before.
type effect func(b *backEnd, c *call) (fields []field, repeat bool)

// effects has the methods that leave something behind. All others only say that they succeeded.
var effects = map[string]effect{
	"tmall.servicecenter.spserviceorder.create": createServiceOrder,
	"taobao.logistics.provider.work.order.sync": syncWorkOrder,
}

// firstOrderID is odd, above 2^53, and followed by steps of two: no service order id can be held by a double.
const (
	firstOrderID    = int64(9_007_199_254_740_993)
	firstWorkcardID = int64(9_107_199_254_740_993)
	maxWorkcards    = 10
)

// maxRemembered bounds the orders and idempotent ids that are remembered, each; the oldest is forgotten first.
const maxRemembered = 200_000

// backEnd is the state behind the gateway.
type backEnd struct {
	mu     sync.Mutex
	orders memory[[]field]
	synced memory[struct{}]

	nextOrder, nextWorkcard int64
}

func (b *backEnd) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders, b.synced = memory[[]field]{}, memory[struct{}]{}
}

// createServiceOrder makes one order for each app key, source and out_order_id, with one work card for each piece; a
// repeat gets the order that is there.
func createServiceOrder(b *backEnd, c *call) ([]field, bool) {
	data := c.arguments.data
	id := schemas.JoinParts(c.system.appKey, textOf(data["source"]), textOf(data["out_order_id"]))
	b.mu.Lock()
	defer b.mu.Unlock()
	if order, known := b.orders.get(id); known {
		return order, true
	}
	pieces, _ := strconv.Atoi(textOf(data["service_count"]))
	workcards := make([]any, max(1, min(pieces, maxWorkcards)))
	for i := range workcards {
		workcards[i] = firstWorkcardID + 2*b.nextWorkcard
		b.nextWorkcard++
	}
	order := []field{{"service_order_id", firstOrderID + 2*b.nextOrder}, {"workcard_ids", workcards}}
	b.nextOrder++
	b.orders.put(id, order)
	return order, false
}

// syncWorkOrder remembers the idempotent id; a repeat succeeds again.
func syncWorkOrder(b *backEnd, c *call) ([]field, bool) {
	id := schemas.JoinParts(c.system.appKey, textOf(c.arguments.data["idempotent_id"]))
	b.mu.Lock()
	defer b.mu.Unlock()
	_, known := b.synced.get(id)
	if !known {
		b.synced.put(id, struct{}{})
	}
	return nil, known
}

func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	}
	return ""
}

// memory is a map of bounded size that forgets its oldest entry. The zero value is empty.
type memory[V any] struct {
	values map[string]V
	ring   []string // in the order of insertion
	oldest int      // once the ring is full
}

func (m *memory[V]) get(id string) (V, bool) {
	value, ok := m.values[id]
	return value, ok
}

// put adds an id that is not there.
func (m *memory[V]) put(id string, value V) {
	if m.values == nil {
		m.values = map[string]V{}
	}
	if len(m.ring) < maxRemembered {
		m.ring = append(m.ring, id)
	} else {
		delete(m.values, m.ring[m.oldest])
		m.ring[m.oldest] = id
		m.oldest = (m.oldest + 1) % maxRemembered
	}
	m.values[id] = value
}
