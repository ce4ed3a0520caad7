package app

import (
	"time"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/retry"
)

// StatusPage is what /api/v1/status answers: is it well, what waits, why, and for how long.
type StatusPage struct {
	Version    string                     `json:"version"`
	Time       time.Time                  `json:"time"`
	Group      string                     `json:"group"`
	State      string                     `json:"state"` // starting, joining, consuming, draining, stopped
	Missing    []string                   `json:"missing"`
	Partitions []consumer.PartitionStatus `json:"partitions"`
	Bounds     *consumer.Bounds           `json:"bounds,omitempty"`
	Pauses     []retry.Pause              `json:"pauses"`
	Breakers   map[string]string          `json:"breakers"` // by method: closed, half_open, open
	Waiting    map[string]int             `json:"waiting"`  // keys whose next event waits, by what for
	Calls      int                        `json:"calls_in_flight"`
	Ledger     string                     `json:"ledger"` // the store
	DryRun     bool                       `json:"dry_run"`
}

func (a *App) statusPage() any {
	p := StatusPage{
		Version: a.options.Version, Time: time.Now().UTC(), Group: a.config.Kafka.GroupID, State: "starting", Missing: []string{},
		Partitions: []consumer.PartitionStatus{}, Pauses: a.gate.Pauses(), Breakers: a.gate.Breakers(), Waiting: map[string]int{},
		Calls: a.gate.InFlight(), Ledger: a.config.Dedup.Store, DryRun: a.config.Top.DryRun,
	}
	if p.Pauses == nil {
		p.Pauses = []retry.Pause{}
	}
	for _, c := range a.checks() {
		if err := c.Err(); err != nil {
			p.Missing = append(p.Missing, c.Name+": "+err.Error())
		}
	}
	if w := a.status.worker.Load(); w != nil {
		b := w.Bounds()
		p.State, p.Partitions, p.Bounds, p.Waiting = w.State().String(), w.Partitions(), &b, w.Waiting()
	}
	return p
}
