package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

const (
	orders    = 40 // orders of each type that events are about
	duplicate = 12 // every so many events one is published twice
	// rejectedKey is an order that the platform refuses.
	rejectedKey = "900000001"
)

// feeder is the WMS: it publishes sample events of all five types.
type feeder struct {
	writer  *broker.Writer
	rate    float64
	types   []*schemas.Type
	samples map[string][]sample // by type

	mu    sync.Mutex
	count int
}

// sample is a good example event.
type sample struct {
	envelope map[string]any
	data     map[string]any
}

func newFeeder(w *broker.Writer, rate float64) (*feeder, error) {
	cat, err := schemas.Load("")
	if err != nil {
		return nil, err
	}
	examples, err := schemas.Examples()
	if err != nil {
		return nil, err
	}
	f := &feeder{writer: w, rate: rate, types: cat.Types(), samples: map[string][]sample{}}
	for _, e := range examples {
		if !e.Good {
			continue
		}
		var envelope map[string]any
		d := json.NewDecoder(strings.NewReader(string(e.Event)))
		d.UseNumber()
		if err := d.Decode(&envelope); err != nil {
			return nil, fmt.Errorf("example %s of %s: %w", e.Name, e.Type, err)
		}
		data, ok := envelope["data"].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("example %s of %s has no data", e.Name, e.Type)
		}
		f.samples[e.Type] = append(f.samples[e.Type], sample{envelope, data})
	}
	return f, nil
}

// run publishes events at the rate until ctx ends.
func (f *feeder) run(ctx context.Context, scr *screen) {
	ticker := time.NewTicker(time.Duration(float64(time.Second) / f.rate))
	defer ticker.Stop()
	for n := 0; ; n++ {
		typ := f.types[n%len(f.types)]
		value, key, err := f.event(typ, n)
		if err == nil {
			err = f.publish(ctx, typ, key, value)
			if err == nil && n%duplicate == duplicate-1 {
				err = f.publish(ctx, typ, key, value) // a publisher that was not sure repeats itself
			}
		}
		if err != nil && ctx.Err() == nil {
			scr.say("publishing failed: " + err.Error())
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// event is event n of a type: an example with an order and ids of its own.
func (f *feeder) event(typ *schemas.Type, n int) (value []byte, key string, err error) {
	samples := f.samples[typ.Name]
	s := samples[rand.IntN(len(samples))]
	data := map[string]any{}
	for name, v := range s.data {
		data[name] = v
	}
	order := strconv.Itoa(100000000 + rand.IntN(orders))
	if len(typ.ID) > 0 { // each has its own id: a new order each time, where the order is the id
		if _, ok := data["idempotent_id"]; ok {
			data["idempotent_id"] = fmt.Sprintf("demo-%d", n)
		} else {
			order = strconv.Itoa(200000000 + n)
		}
	}
	for _, part := range typ.Key {
		setKey(typ, data, part.Pointers[0], order)
	}
	return envelope(s.envelope, fmt.Sprintf("demo-%d", n), data), order, nil
}

// setKey writes an order's number into the member of data that a pointer names. The channel of a service order stays.
func setKey(typ *schemas.Type, data map[string]any, pointer, order string) {
	name := strings.TrimPrefix(pointer, "/")
	field := typ.Root.Member(name)
	switch {
	case name == "source":
	case field != nil && field.Kind == schemas.KindNumber:
		data[name] = json.Number(order)
	default:
		data[name] = order
	}
}

func envelope(base map[string]any, id string, data map[string]any) []byte {
	e := map[string]any{}
	for name, v := range base {
		e[name] = v
	}
	e["id"], e["data"], e["time"] = id, data, time.Now().UTC().Format(time.RFC3339Nano)
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // values that came from JSON go back to JSON
	}
	return text
}

func (f *feeder) publish(ctx context.Context, typ *schemas.Type, key string, value []byte) error {
	topic := "top.work-orders"
	if strings.Contains(typ.Name, ".status.") {
		topic = "top.status-changes"
	}
	err := f.writer.Write(ctx, topic, broker.ByKey, event.Record{Key: []byte(key), Value: value, Headers: []event.Header{
		{Key: "content-type", Value: []byte("application/cloudevents+json; charset=UTF-8")},
	}})
	if err == nil {
		f.mu.Lock()
		f.count++
		f.mu.Unlock()
	}
	return err
}

func (f *feeder) published() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

// single publishes one status event of an order, as it is written here.
func (f *feeder) single(ctx context.Context, id, order, data string) error {
	typ := "top.logisticsorder.status.v1"
	value := fmt.Sprintf(`{"specversion":"1.0","type":%q,"source":"/wms/demo","id":%q,"time":%q,"data":%s}`, typ, id, time.Now().UTC().Format(time.RFC3339Nano), data)
	for _, t := range f.types {
		if t.Name == typ {
			return f.publish(ctx, t, order, []byte(value))
		}
	}
	return fmt.Errorf("no type %s", typ)
}
