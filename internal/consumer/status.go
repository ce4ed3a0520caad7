package consumer

import "time"

// PartitionStatus is where one owned partition stands.
type PartitionStatus struct {
	Topic     string `json:"topic"`
	Partition int    `json:"partition"`
	Watermark int64  `json:"watermark"` // everything before it is settled
	End       int64  `json:"end"`       // the end of the log as it was last seen
	Lag       int64  `json:"lag"`       // records between the two, gaps included
	Unsettled int    `json:"unsettled"` // fetched and not settled
	// Stalled is the bound or the lost position that stops its fetch; empty where it is fetched.
	Stalled string         `json:"stalled,omitempty"`
	Oldest  *UnsettledItem `json:"oldest,omitempty"` // what holds the watermark; nil where all that was fetched is settled
}

// UnsettledItem is an event that is not settled yet.
type UnsettledItem struct {
	Offset     int64   `json:"offset"`
	Type       string  `json:"type"`
	Account    string  `json:"account,omitempty"`
	AgeSeconds float64 `json:"age_seconds"` // since it was published
	// RecordedAt is the record's own time, by which its topic's retention goes.
	RecordedAt time.Time `json:"recorded_at"`
}

// Partitions lists the owned partitions, by topic and partition as the group gave them.
func (w *Worker) Partitions() []PartitionStatus {
	w.mu.Lock()
	parts := w.parts
	w.mu.Unlock()
	now := time.Now()
	w.schedule.mu.Lock()
	defer w.schedule.mu.Unlock()
	all := make([]PartitionStatus, 0, len(parts))
	for _, p := range parts {
		s := PartitionStatus{
			Topic: p.Topic, Partition: p.Partition, Watermark: p.window.watermark(), End: p.end,
			Unsettled: p.window.unsettled(), Stalled: p.stalled,
		}
		s.Lag = max(s.End-s.Watermark, 0)
		if it := p.window.oldest(); it != nil {
			s.Oldest = &UnsettledItem{
				Offset: it.record.Offset, Type: it.typeLabel(), AgeSeconds: max(now.Sub(it.published()), 0).Round(time.Millisecond).Seconds(),
				RecordedAt: it.record.Time,
			}
			if it.account != nil {
				s.Oldest.Account = it.account.Name
			}
		}
		all = append(all, s)
	}
	return all
}

// Bounds are the worker's bounds and how much of them is used (contract section 7, promise 4).
type Bounds struct {
	BufferedBytes    int `json:"buffered_bytes"`
	MaxBufferedBytes int `json:"max_buffered_bytes"`
	Unsettled        int `json:"unsettled"`
	MaxUnsettled     int `json:"max_unsettled"`
}

// Bounds says how much of the bounds is used.
func (w *Worker) Bounds() Bounds {
	b := w.bounds
	b.mu.Lock()
	defer b.mu.Unlock()
	return Bounds{BufferedBytes: b.bytes, MaxBufferedBytes: b.maxBytes, Unsettled: b.count, MaxUnsettled: b.maxCount}
}
