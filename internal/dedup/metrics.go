package dedup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/consumer"
)

// operation is the label op.
type operation uint8

const (
	opClaim operation = iota
	opDelivered
	opUnknown
	opFailed
	opRelease
	opForget
	operations // how many there are
)

func (o operation) String() string {
	return [operations]string{"claim", "delivered", "unknown", "failed", "release", "forget"}[o]
}

// The values of the label result. Of a claim: claimResults, indexed by consumer.Answer, and conflict. Of the others: ok
// and lost. Of all: error and cancelled (the caller's context ended).
const (
	resultOK        = "ok"
	resultLost      = "lost"
	resultConflict  = "conflict"
	resultError     = "error"
	resultCancelled = "cancelled"
)

var claimResults = [...]string{
	consumer.AnswerMine:      "mine",
	consumer.AnswerDelivered: "delivered",
	consumer.AnswerUnknown:   "unknown",
	consumer.AnswerBusy:      "busy",
	consumer.AnswerAbandoned: "abandoned",
}

// metrics are the dedup metrics of contract section 9.
type metrics struct {
	registerer prometheus.Registerer
	collectors []prometheus.Collector

	answers   [len(claimResults)]prometheus.Counter // to claims
	conflicts prometheus.Counter
	ok, lost  [operations]prometheus.Counter
	failed    [operations]prometheus.Counter
	cancelled [operations]prometheus.Counter
	seconds   [operations]prometheus.Observer
	resets    prometheus.Counter
}

// newMetrics makes and registers the metrics. entries and bytes are asked at each scrape.
func newMetrics(r prometheus.Registerer, entries, bytes func() float64) (*metrics, error) {
	total := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "toprelay_dedup_operations_total",
		Help: "Operations of the ledger by what they were and how they ended.",
	}, []string{"op", "result"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "toprelay_dedup_duration_seconds",
		Help: "How long the operations of the ledger took.",
		Buckets: []float64{
			.00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10,
		},
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}, []string{"op"})
	m := &metrics{registerer: r, collectors: []prometheus.Collector{
		total, seconds,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "toprelay_dedup_entries", Help: "Ids that the ledger remembers.",
		}, entries),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "toprelay_dedup_bytes", Help: "Bytes that the ledger takes on the disk, or Redis in memory.",
		}, bytes),
	}}
	m.resets = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "toprelay_dedup_resets_total", Help: "How often the ledger was found emptied, so that what was delivered is forgotten.",
	})
	m.collectors = append(m.collectors, m.resets)
	for o := range operations {
		m.failed[o] = total.WithLabelValues(o.String(), resultError)
		m.cancelled[o] = total.WithLabelValues(o.String(), resultCancelled)
		m.seconds[o] = seconds.WithLabelValues(o.String())
		if o != opClaim {
			m.ok[o] = total.WithLabelValues(o.String(), resultOK)
			m.lost[o] = total.WithLabelValues(o.String(), resultLost)
		}
	}
	for a := consumer.AnswerMine; int(a) < len(claimResults); a++ {
		m.answers[a] = total.WithLabelValues(opClaim.String(), claimResults[a])
	}
	m.conflicts = total.WithLabelValues(opClaim.String(), resultConflict)
	return m, m.register()
}

func (m *metrics) register() error {
	if m.registerer == nil {
		return nil
	}
	for i, c := range m.collectors {
		if err := m.registerer.Register(c); err != nil {
			for _, c := range m.collectors[:i] {
				m.registerer.Unregister(c)
			}
			return fmt.Errorf("metrics of the ledger: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.collectors {
		m.registerer.Unregister(c)
	}
}

func (m *metrics) observeClaim(start time.Time, c consumer.Claim, err error) {
	switch {
	case err != nil:
		m.observe(start, opClaim, err)
		return
	case c.Conflict:
		m.conflicts.Inc()
	default:
		m.answers[c.Answer].Inc()
	}
	m.seconds[opClaim].Observe(time.Since(start).Seconds())
}

func (m *metrics) observe(start time.Time, o operation, err error) {
	switch {
	case err == nil:
		m.ok[o].Inc()
	case errors.Is(err, consumer.ErrClaimLost) && o != opClaim:
		m.lost[o].Inc()
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		m.cancelled[o].Inc()
	default:
		m.failed[o].Inc()
	}
	m.seconds[o].Observe(time.Since(start).Seconds())
}
