package consumer

import (
	"testing"
	"time"

	"github.com/toprelay/worker/internal/event"
)

// OriginID is part of the contract with every reader of letters: it never changes.
func TestOriginID(t *testing.T) {
	record := event.Record{Topic: "orders", Partition: 3, Offset: 42, Time: time.UnixMilli(1_700_000_000_123)}
	id := OriginID("group", &record)
	if id != "04309fcd69fcc364268258f22dd470c4" {
		t.Errorf("OriginID = %s", id)
	}
	seen := map[string]bool{id: true}
	for _, r := range []event.Record{
		{Topic: "orders2", Partition: 3, Offset: 42, Time: record.Time},
		{Topic: "orders", Partition: 4, Offset: 42, Time: record.Time},
		{Topic: "orders", Partition: 3, Offset: 43, Time: record.Time},
		{Topic: "orders", Partition: 3, Offset: 42, Time: record.Time.Add(time.Millisecond)},
	} {
		other := OriginID("group", &r)
		if seen[other] {
			t.Errorf("%+v has the id of another", r)
		}
		seen[other] = true
	}
	if seen[OriginID("group2", &record)] {
		t.Error("another group has the same id")
	}
	same := record
	same.Key, same.Value, same.Time = []byte("k"), []byte("v"), record.Time.In(time.FixedZone("x", 3600)).Add(999)
	if OriginID("group", &same) != id {
		t.Error("the id depends on more than the place and the milliseconds")
	}
}
