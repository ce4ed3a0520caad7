package integration

import (
	"fmt"
	"strings"

	"github.com/toprelay/worker/internal/event"
)

// checkMetrics: the counters of the one worker that ran say what the gateway and the topics hold.
func (r *relay) checkMetrics(fates []fate) {
	r.t.Helper()
	want := map[string]float64{}
	for _, topic := range r.consumed() {
		want[fmt.Sprintf(`events_consumed_total{topic=%q}`, topic)] = 0
	}
	for _, k := range kinds {
		for _, outcome := range []string{"delivered", "duplicate", "skipped", "dead_lettered"} {
			want[fmt.Sprintf(`events_settled_total{outcome=%q,type=%q}`, outcome, k.typ)] = 0
		}
		for _, reason := range event.Reasons() {
			want[fmt.Sprintf(`dead_letters_total{reason=%q,type=%q}`, reason, k.typ)] = 0
		}
		all := of(r.gateway.log(), byMethod(k.method))
		marks := map[string]bool{}
		for _, x := range all {
			marks[x.Mark] = true
		}
		want[fmt.Sprintf(`requests_total{method=%q,result="ok"}`, k.method)] = float64(len(of(all, exchange.accepted)))
		want[fmt.Sprintf(`retries_total{method=%q}`, k.method)] = float64(len(all) - len(marks))
		if got := r.sum("requests_total", fmt.Sprintf("method=%q", k.method)); got != float64(len(all)) {
			r.t.Errorf("metrics: requests_total of %s adds up to %v, the gateway saw %d", k.method, got, len(all))
		}
	}
	for _, f := range fates {
		want[fmt.Sprintf(`events_consumed_total{topic=%q}`, f.Topic)]++
		typ := "other"
		if f.kind != nil {
			typ = f.kind.typ
		}
		for _, k := range kinds { // an event that cannot be read is counted under the type that it names
			if f.kind == nil && f.Letter != nil && header(*f.Letter, "toprelay-type") == k.typ {
				typ = k.typ
			}
		}
		want[fmt.Sprintf(`events_settled_total{outcome=%q,type=%q}`, f.Outcome, typ)]++
		if f.Letter != nil {
			want[fmt.Sprintf(`dead_letters_total{reason=%q,type=%q}`, f.Reason, typ)]++
		}
	}
	r.metric(want)
}

// sum adds up the series of a name that hold a label.
func (r *relay) sum(name, label string) float64 {
	var sum float64
	for series, value := range r.metrics {
		if strings.HasPrefix(series, name+"{") && strings.Contains(series, label) {
			sum += value
		}
	}
	return sum
}
