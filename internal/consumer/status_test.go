package consumer

import (
	"testing"
	"time"

	"github.com/toprelay/worker/internal/top"
)

// The status says which event holds a partition, and for how long.
func TestStatus(t *testing.T) {
	in(t, func(s *setup) { s.options.MaxUnsettled = 8 }, func(r *rig) {
		r.kafka.assign(part(0), part(1))
		if got := r.worker.Partitions(); len(got) != 0 {
			t.Errorf("before the start: %+v", got)
		}
		r.start()
		r.caller.answer(func(c fakeCall) top.Reply {
			if c.id == "hangs" {
				return unreachable()
			}
			return accepted()
		})
		r.kafka.append(part(1), status("hangs", 1), status("passes", 2), status("behind", 1), status("other", 3, ofAccount("other")))
		want := PartitionStatus{
			Topic: topic, Partition: 1, Watermark: 0, End: 4, Lag: 4, Unsettled: 2,
			Oldest: &UnsettledItem{Offset: 0, Type: statusType, Account: "default", AgeSeconds: 20, RecordedAt: time.Now()},
		}
		r.pass(20 * time.Second)
		all := r.worker.Partitions()
		if len(all) != 2 || all[0] != (PartitionStatus{Topic: topic}) || all[1].Oldest == nil || *all[1].Oldest != *want.Oldest {
			t.Fatalf("status %+v, oldest %+v", all, all[1].Oldest)
		}
		all[1].Oldest, want.Oldest = nil, nil
		if all[1] != want {
			t.Errorf("status %+v, want %+v", all[1], want)
		}
		if b := r.worker.Bounds(); b.Unsettled != 2 || b.MaxUnsettled != 8 || b.BufferedBytes == 0 || b.MaxBufferedBytes == 0 {
			t.Errorf("bounds %+v", b)
		}
		for n := range 8 {
			r.kafka.append(part(1), status("more", 1, header("ce_n", string(rune('a'+n)))))
		}
		r.pass(20 * time.Second)
		if s := r.worker.Partitions()[1]; s.Stalled != StallCount && s.Stalled != StallShare {
			t.Errorf("stalled by %q", s.Stalled)
		}
		r.caller.answer(nil)
		r.pass(time.Minute)
		if s := r.worker.Partitions()[1]; s.Stalled != "" || s.Lag != 0 || s.Oldest != nil {
			t.Errorf("in the end %+v", s)
		}
	})
}
