package integration

import (
	"testing"
)

// TestDryRun: a shadow run does everything but send: outcomes are counted, offsets committed, and neither letters nor
// results written.
func TestDryRun(t *testing.T) {
	t.Parallel()
	r := newRelay(t, setup{results: true})
	r.configure("top.dry_run=true")
	e := logistics.event(1)
	r.publish(e, e.again(), logistics.event(1).and(map[string]any{"nonsense": 1}), create.event(1), issue.event(1), delivery.event(1), workSync.event(1))
	r.start()
	r.await(7)
	r.stop()
	if lag := r.lag(); lag != 0 {
		t.Errorf("lag %d", lag)
	}
	for what, n := range map[string]int{"calls": len(r.gateway.log()), "dead letters": len(r.letters()), "results": len(r.read(r.results()))} {
		if n != 0 {
			t.Errorf("%d %s of a dry run", n, what)
		}
	}
	want := map[string]float64{
		`events_settled_total{outcome="delivered",type="top.logisticsorder.status.v1"}`:     1,
		`events_settled_total{outcome="duplicate",type="top.logisticsorder.status.v1"}`:     1,
		`events_settled_total{outcome="dead_lettered",type="top.logisticsorder.status.v1"}`: 1,
	}
	for _, k := range kinds[1:] {
		want[`events_settled_total{outcome="delivered",type="`+k.typ+`"}`] = 1
		want[`requests_total{method="`+k.method+`",result="ok"}`] = 0
	}
	r.metric(want)
}
