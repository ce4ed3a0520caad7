package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/toprelay/worker/internal/app"
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/simulator"
)

// TestStatusPage: the page says what waits, why and for how long.
func TestStatusPage(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{})
	k := kinds[0]
	r.gateway.faults(simulator.Fault{Match: simulator.Match{Key: k.key(1)}, Action: simulator.Action{BanSeconds: 3600}})
	r.publish(k.event(1))
	r.start()
	page := func() (p app.StatusPage) {
		status, body := r.get("/api/v1/status")
		if err := json.Unmarshal([]byte(body), &p); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		return p
	}
	r.until("the status page shows the ban", func() error {
		p := page()
		if p.State != "consuming" || len(p.Missing) > 0 || len(p.Pauses) != 1 || p.Pauses[0].Reason != "throttled" || p.Waiting["throttled"] != 1 {
			return fmt.Errorf("%+v", p)
		}
		return nil
	})
	p := page()
	var held []consumer.PartitionStatus
	for _, s := range p.Partitions {
		if s.Oldest != nil {
			held = append(held, s)
		}
	}
	if len(held) != 1 || held[0].Oldest.Type != k.typ || held[0].Lag != 1 || p.Breakers[k.method] != "closed" || p.Bounds.Unsettled != 1 {
		t.Errorf("%+v", p)
	}
	r.stop()
}
