package retry

import (
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
)

// metrics shows the gate as it stands when it is scraped, so that a pause counts its seconds while it lasts.
type metrics struct {
	gate        *Gate
	transitions *prometheus.CounterVec
	known       []pauseLabels

	breakerState, inFlight             *prometheus.Desc
	pauseActive, pauseSeconds, banEnds *prometheus.Desc
}

func newMetrics(g *Gate) *metrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("toprelay_"+name, help, labels, nil)
	}
	ofPause := []string{"scope", "account", "method", "reason"}
	return &metrics{
		gate:  g,
		known: g.knownPauses(),
		transitions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "toprelay_breaker_transitions_total",
			Help: "How often the breaker of a method moved to a state.",
		}, []string{"method", "to"}),
		breakerState: desc("breaker_state", "Breaker of a method: 0 closed, 1 half-open, 2 open.", "method"),
		inFlight:     desc("calls_in_flight", "Calls to the platform that have started and not ended.", "method"),
		pauseActive:  desc("pause_active", "1 while a scope is paused for a reason.", ofPause...),
		pauseSeconds: desc("pause_seconds_total", "How long a scope has been paused for a reason.", ofPause...),
		banEnds: desc("ban_ends_timestamp_seconds", "When the last ban of a scope ends or ended, in Unix time.",
			ofPause...),
	}
}

// seen creates the series of a method.
func (m *metrics) seen(method string) {
	for _, to := range [...]gobreaker.State{gobreaker.StateClosed, gobreaker.StateHalfOpen, gobreaker.StateOpen} {
		m.transitions.WithLabelValues(method, stateName(to))
	}
}

func (m *metrics) moved(method string, to gobreaker.State) {
	m.transitions.WithLabelValues(method, stateName(to)).Inc()
}

func stateName(s gobreaker.State) string {
	switch s {
	case gobreaker.StateOpen:
		return "open"
	case gobreaker.StateHalfOpen:
		return "half_open"
	default:
		return "closed"
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range [...]*prometheus.Desc{m.breakerState, m.inFlight, m.pauseActive, m.pauseSeconds, m.banEnds} {
		out <- d
	}
}

// knownPauses are the series that exist before the first pause, so that a rate sees it: of the accounts and methods that are
// configured. It makes their places, so that an app key that accounts share has the same name from the start.
func (g *Gate) knownPauses() []pauseLabels {
	var known []pauseLabels
	for _, account := range slices.Sorted(maps.Keys(g.options.Accounts)) {
		for method := range g.options.Methods {
			for l := Level(1); l <= levels; l++ {
				pl := g.place(l, Scope{Account: account, AppKey: g.options.Accounts[account], Method: method})
				for k := range pl.pauses {
					if ps := &pl.pauses[k]; ps.expected(&g.options) {
						known = append(known, ps.labels())
					}
				}
			}
		}
	}
	return known
}

// expected says whether the platform has replies that pause a place for this reason (contract section 5).
func (ps *pause) expected(o *Options) bool {
	switch l := ps.place.level; ps.kind {
	case pauseThrottled:
		return l == LevelAppKey || l == LevelMethod || l == LevelAppKeyMethod
	case pauseSession:
		return l == LevelAccount || l == LevelAccountMethod && !o.Methods[ps.place.scope.Method].Sessionless
	case pauseMisconfigured:
		return l != LevelAccount // of a method over all app keys: it has no gateway
	default:
		return l == LevelAccountMethod
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, metric := range m.snapshot(time.Now()) {
		out <- metric
	}
}

// snapshot reads everything under one lock; the channel to the registry is filled after it.
func (m *metrics) snapshot(now time.Time) []prometheus.Metric {
	g := m.gate
	g.mu.Lock()
	defer g.unlock()
	g.endBans(now)
	var all []prometheus.Metric
	add := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		all = append(all, prometheus.MustNewConstMetric(d, t, v, labels...))
	}
	for _, method := range g.methodList {
		add(m.breakerState, prometheus.GaugeValue, float64(method.breaker.state), method.name)
		add(m.inFlight, prometheus.GaugeValue, float64(method.inFlight), method.name)
	}
	for labels, series := range g.pauseSeries(now) {
		values := []string{labels.scope, labels.account, labels.method, labels.reason}
		add(m.pauseActive, prometheus.GaugeValue, series.active, values...)
		add(m.pauseSeconds, prometheus.CounterValue, series.total.Seconds(), values...)
		if !series.bans.IsZero() {
			add(m.banEnds, prometheus.GaugeValue, float64(series.bans.UnixMilli())/1000, values...)
		}
	}
	return all
}

type pauseLabels struct{ scope, account, method, reason string }

func (ps *pause) labels() pauseLabels {
	return pauseLabels{ps.place.level.String(), ps.place.account, ps.place.scope.Method, ps.kind.reason()}
}

type pauseSeries struct {
	active float64
	total  time.Duration
	bans   time.Time
}

// pauseSeries adds up the pauses by their labels. Two places have the same ones where an account got another app key
// while the old one was banned.
func (g *Gate) pauseSeries(now time.Time) map[pauseLabels]pauseSeries {
	all := make(map[pauseLabels]pauseSeries, len(g.metrics.known))
	for _, labels := range g.metrics.known {
		all[labels] = pauseSeries{}
	}
	for _, pl := range g.places {
		for i := range pl.pauses {
			ps := &pl.pauses[i]
			if !ps.begun {
				continue
			}
			labels := ps.labels()
			series := all[labels]
			series.total += ps.total
			if ps.on {
				series.active = 1
				series.total += max(now.Sub(ps.since), 0)
			}
			series.bans = later(series.bans, ps.bans)
			all[labels] = series
		}
	}
	return all
}
