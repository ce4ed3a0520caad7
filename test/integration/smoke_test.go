package integration

import (
	"fmt"
	"testing"

	"github.com/toprelay/worker/internal/consumer"
)

func TestDelivers(t *testing.T) {
	r := newRelay(t, 3)
	r.start()
	for i := range 50 {
		r.produce(r.status(), -1, binary("top.logisticsorder.status.v1", fmt.Sprintf("e-%d", i), fmt.Sprint(1000+i%10),
			fmt.Sprintf(`{"logistics_order_id":%d,"status_code":"create","comment":"n %d"}`, 1000+i%10, i)))
	}
	for _, s := range r.await(50) {
		if s.Outcome != consumer.Delivered {
			t.Errorf("got %+v", s)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if lag := r.lag(); lag != 0 {
		t.Errorf("lag %d", lag)
	}
	if n := len(r.sim.Calls()); n != 50 {
		t.Errorf("%d calls", n)
	}
}
