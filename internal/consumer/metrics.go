package consumer

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/internal/retry"
	"github.com/toprelay/worker/internal/top"
	"github.com/toprelay/worker/schemas"
)

// Buckets of the histograms, in seconds. Age holds what matters between one call and half a day; a call what matters
// between a fast gateway and the longest time-out.
var (
	ageBuckets  = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14400, 43200}
	callBuckets = []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 15, 30}
)

// results are the classes of a reply, which are label values. A cancelled call has none.
var results = []top.Class{
	top.ClassOK, top.ClassTransient, top.ClassThrottled, top.ClassSession, top.ClassMisconfigured, top.ClassRejected, top.ClassAmbiguous,
}

// other is the label of an event whose type is not in the catalogue.
const other = "other"

// metrics is the metric set of this package (contract section 9). Label values are created at zero.
type metrics struct {
	consumed       *prometheus.CounterVec
	settledTotal   *prometheus.CounterVec
	age            prometheus.Histogram
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	retries        *prometheus.CounterVec
	deadLetters    *prometheus.CounterVec
	skippedOffsets *prometheus.CounterVec
	fieldsDropped  *prometheus.CounterVec
	keyMismatch    *prometheus.CounterVec
	rebalances     prometheus.Counter
	commitErrors   prometheus.Counter
	stalled        *prometheus.GaugeVec

	dryRun bool // no letter is written
}

func newMetrics(reg prometheus.Registerer, w *Worker, cat *schemas.Catalogue, topics []string) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "toprelay", Name: name, Help: help}, labels)
	}
	native := func(name, help string, buckets []float64) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{
			Namespace: "toprelay", Name: name, Help: help, Buckets: buckets,
			NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 160, NativeHistogramMinResetDuration: time.Hour,
		}
	}
	m := &metrics{
		consumed:       counter("events_consumed_total", "Records read from the consumed topics; those that were not settled before a rebalance are read again.", "topic"),
		settledTotal:   counter("events_settled_total", "Events settled, by outcome.", "type", "outcome"),
		age:            prometheus.NewHistogram(native("event_age_seconds", "Time from publishing an event (its own time, else the record's) to settling it. Replays are not observed.", ageBuckets)),
		requests:       counter("requests_total", "Calls to the platform, by what the reply meant.", "method", "result"),
		requestSeconds: prometheus.NewHistogramVec(native("request_duration_seconds", "Time of one call to the platform, from the request to the whole reply.", callBuckets), []string{"method"}),
		retries:        counter("retries_total", "Calls beyond an event's first.", "method"),
		deadLetters:    counter("dead_letters_total", "Events written to the dead-letter topic, by reason.", "type", "reason"),
		skippedOffsets: counter("skipped_offsets_total", "Offsets that hold no event and were passed, by cause.", "topic", "cause"),
		fieldsDropped:  counter("fields_dropped_total", "Unknown fields that were dropped because the type is configured so.", "type"),
		keyMismatch:    counter("key_mismatch_total", "Records whose key is another than the event's ordering key.", "topic"),
		rebalances:     prometheus.NewCounter(prometheus.CounterOpts{Namespace: "toprelay", Name: "rebalances_total", Help: "Assignments that ended by a rebalance of the consumer group."}),
		commitErrors:   prometheus.NewCounter(prometheus.CounterOpts{Namespace: "toprelay", Name: "commit_errors_total", Help: "Commits that failed; the offsets are committed with the next ones."}),
		stalled:        prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "toprelay", Name: "partition_stalled", Help: "1 while a bound or a lost position stops the fetch of a partition."}, []string{"topic", "partition", "cause"}),
		dryRun:         w.options.DryRun,
	}
	reg.MustRegister(m.consumed, m.settledTotal, m.age, m.requests, m.requestSeconds, m.retries, m.deadLetters,
		m.skippedOffsets, m.fieldsDropped, m.keyMismatch, m.rebalances, m.commitErrors, m.stalled, &live{worker: w})
	m.zero(cat, topics)
	return m
}

// zero creates the label values that are known, so that a rate works from the first event on.
func (m *metrics) zero(cat *schemas.Catalogue, topics []string) {
	for _, topic := range topics {
		m.consumed.WithLabelValues(topic)
		m.keyMismatch.WithLabelValues(topic)
		m.skippedOffsets.WithLabelValues(topic, "transaction")
	}
	names := []string{other}
	for _, t := range cat.Types() {
		names = append(names, t.Name)
		m.fieldsDropped.WithLabelValues(t.Name)
		m.retries.WithLabelValues(t.Method)
		m.requestSeconds.WithLabelValues(t.Method)
		for _, class := range results {
			m.requests.WithLabelValues(t.Method, class.String())
		}
	}
	for _, name := range names {
		for _, kind := range []Kind{Delivered, Duplicate, Skipped, DeadLettered} {
			m.settledTotal.WithLabelValues(name, kind.String())
		}
		for _, reason := range event.Reasons() {
			m.deadLetters.WithLabelValues(name, string(reason))
		}
	}
}

// called counts a call.
func (m *metrics) called(it *item, reply top.Reply) {
	method := it.typ.Method
	if it.calls > 0 || it.history.Attempts > 0 {
		m.retries.WithLabelValues(method).Inc()
	}
	if reply.Class == top.ClassCancelled { // an interrupted call says nothing about the platform
		return
	}
	m.requests.WithLabelValues(method, reply.Class.String()).Inc()
	m.requestSeconds.WithLabelValues(method).Observe(reply.Duration.Seconds())
}

// settled counts a settled event.
func (m *metrics) settled(it *item, out Outcome, now time.Time) {
	m.settledTotal.WithLabelValues(it.typeLabel(), out.Kind.String()).Inc()
	if out.Kind == DeadLettered && !m.dryRun && !out.again {
		m.deadLetters.WithLabelValues(it.typeLabel(), string(out.Reason)).Inc()
	}
	if _, replayed := it.record.Header("toprelay-replay-of"); !replayed {
		m.age.Observe(max(now.Sub(it.published()).Seconds(), 0))
	}
}

// own creates the series of partitions that were assigned.
func (m *metrics) own(parts []*partition) {
	for _, p := range parts {
		for _, cause := range StallCauses() {
			m.stalled.WithLabelValues(p.Topic, strconv.Itoa(p.Partition), cause)
		}
	}
}

// stall shows the bound that holds a partition.
func (m *metrics) stall(p *partition, before, cause string) {
	partition := strconv.Itoa(p.Partition)
	if before != "" && before != cause {
		m.stalled.WithLabelValues(p.Topic, partition, before).Set(0)
	}
	if cause != "" {
		m.stalled.WithLabelValues(p.Topic, partition, cause).Set(1)
	}
}

// forget drops the series of partitions that were revoked.
func (m *metrics) forget(parts []*partition) {
	for _, p := range parts {
		m.stalled.DeletePartialMatch(prometheus.Labels{"topic": p.Topic, "partition": strconv.Itoa(p.Partition)})
	}
}

// live reads what stands in the worker when it is asked: lag, age and waiting keys.
type live struct {
	worker *Worker
	mu     sync.Mutex
	seen   map[string]bool // reasons that were waited for once, so that they go back to zero
}

var (
	lagDesc     = prometheus.NewDesc("toprelay_partition_lag_records", "End offset minus watermark of a partition.", []string{"topic", "partition"}, nil)
	oldestDesc  = prometheus.NewDesc("toprelay_oldest_unsettled_age_seconds", "Age of the oldest unsettled event of a partition; 0 where all are settled.", []string{"topic", "partition"}, nil)
	waitingDesc = prometheus.NewDesc("toprelay_keys_waiting", "Keys whose next event waits, by what for.", []string{"reason"}, nil)
)

// Describe implements prometheus.Collector.
func (l *live) Describe(ch chan<- *prometheus.Desc) {
	ch <- lagDesc
	ch <- oldestDesc
	ch <- waitingDesc
}

// Collect implements prometheus.Collector.
func (l *live) Collect(ch chan<- prometheus.Metric) {
	w, now := l.worker, time.Now()
	w.mu.Lock()
	parts := w.parts
	w.mu.Unlock()
	for _, p := range parts {
		w.schedule.mu.Lock()
		lag, age := max(p.end-p.window.watermark(), 0), 0.0
		if oldest := p.window.oldest(); oldest != nil {
			age = max(now.Sub(oldest.published()).Seconds(), 0)
		}
		w.schedule.mu.Unlock()
		partition := strconv.Itoa(p.Partition)
		ch <- prometheus.MustNewConstMetric(lagDesc, prometheus.GaugeValue, float64(lag), p.Topic, partition)
		ch <- prometheus.MustNewConstMetric(oldestDesc, prometheus.GaugeValue, age, p.Topic, partition)
	}
	counts := w.schedule.stalled()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]bool{}
		for _, reason := range []WaitReason{WaitRetry, WaitBusy, WaitLedger, WaitDeadLetter, WaitResult} {
			l.seen[string(reason)] = true
		}
		for _, reason := range retry.Reasons() {
			l.seen[reason] = true
		}
	}
	for reason := range counts {
		l.seen[reason] = true
	}
	for reason := range l.seen {
		ch <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(counts[reason]), reason)
	}
}
