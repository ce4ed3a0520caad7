package simulator

import (
	"strconv"
	"strings"
	"testing"
)

func TestEffects(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Apps["2"] = o.Apps[testKey] })
	first := r.body(create(nil))
	if r.lastCall().Repeat {
		t.Error("the first order is a repeat")
	}
	if second := r.body(create(nil)); second != first || !r.lastCall().Repeat || !r.lastCall().Accepted {
		t.Errorf("the same order: %s, then %s", first, second)
	}
	for name, other := range map[string]*draft{
		"source": create(map[string]string{"source": "TM"}), "out_order_id": create(map[string]string{"out_order_id": "t2"}),
		"app key": create(map[string]string{"app_key": "2"}),
	} {
		if body := r.body(other); body == first || r.lastCall().Repeat {
			t.Errorf("another %s: %s", name, body)
		}
	}
	if body := r.body(create(map[string]string{"out_order_id": "many", "service_count": "1000"})); strings.Count(body, "91071992547") != maxWorkcards {
		t.Errorf("%s, want %d work cards", body, maxWorkcards)
	}
	r.body(syncOrder(nil))
	if r.lastCall().Repeat {
		t.Error("the first idempotent id is a repeat")
	}
	r.body(syncOrder(nil))
	if !r.lastCall().Repeat || !r.lastCall().Accepted {
		t.Error("the second idempotent id is no repeat")
	}
	r.Reset()
	r.body(syncOrder(nil))
	if r.lastCall().Repeat {
		t.Error("an idempotent id outlives a reset")
	}
}

func TestMemoryForgetsTheOldest(t *testing.T) {
	var m memory[int]
	for i := range maxRemembered + 2 {
		m.put(strconv.Itoa(i), i)
	}
	if len(m.values) != maxRemembered {
		t.Errorf("%d remembered", len(m.values))
	}
	for id, want := range map[string]bool{"0": false, "1": false, "2": true, strconv.Itoa(maxRemembered + 1): true} {
		if _, known := m.get(id); known != want {
			t.Errorf("%s known %v", id, known)
		}
	}
}
