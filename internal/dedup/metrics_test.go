package dedup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/toprelay/worker/internal/consumer"
)

func TestMetrics(t *testing.T) {
	for _, st := range stores {
		t.Run(st.name, func(t *testing.T) {
			r := prometheus.NewPedanticRegistry()
			s := st.open(t, nil, Options{Registerer: r})
			if problems, err := testutil.GatherAndLint(r); len(problems) > 0 || err != nil {
				t.Errorf("lint: %v, %v", problems, err)
			}
			zero := `
# HELP toprelay_dedup_operations_total Operations of the ledger by what they were and how they ended.
# TYPE toprelay_dedup_operations_total counter
`
			lines := map[string]int{}
			for _, result := range []string{"mine", "delivered", "conflict", "unknown", "busy", "abandoned", "error", "cancelled"} {
				lines[fmt.Sprintf(`{op="claim",result=%q}`, result)] = 0
			}
			for _, op := range []string{"delivered", "unknown", "failed", "release", "forget"} {
				for _, result := range []string{"ok", "lost", "error", "cancelled"} {
					lines[fmt.Sprintf(`{op=%q,result=%q}`, op, result)] = 0
				}
			}
			expect := func() {
				t.Helper()
				text := zero
				for labels, n := range lines {
					text += fmt.Sprintf("toprelay_dedup_operations_total%s %d\n", labels, n)
				}
				if err := testutil.GatherAndCompare(r, strings.NewReader(text), "toprelay_dedup_operations_total"); err != nil {
					t.Error(err)
				}
			}
			expect()

			deliver(t, s, "a")
			mustClaim(t, s, repeatable("a"), consumer.AnswerDelivered)
			other := repeatable("a")
			other.Content = contentNo(2)
			mustClaim(t, s, other, consumer.AnswerDelivered)
			if err := s.Release(t.Context(), idOf("a"), 1); !errors.Is(err, consumer.ErrClaimLost) {
				t.Fatal(err)
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := s.Claim(cancelled, other); err == nil {
				t.Fatal("claimed with a cancelled context")
			}
			lines[`{op="claim",result="mine"}`] = 1
			lines[`{op="claim",result="delivered"}`] = 1
			lines[`{op="claim",result="conflict"}`] = 1
			lines[`{op="claim",result="cancelled"}`] = 1
			lines[`{op="delivered",result="ok"}`] = 1
			lines[`{op="release",result="lost"}`] = 1
			expect()
			names := []string{"toprelay_dedup_resets_total", "toprelay_dedup_entries"}
			if redis, ok := s.(*Redis); ok { // counts now and then, not at each scrape, and all that the database has
				_, err := redis.inspect(t.Context())
				must(t, err)
				if redis.opts.Redis.Prefix != defaultRedisPrefix { // that of other tests too
					names = names[:1]
				}
			}
			if err := testutil.GatherAndCompare(r, strings.NewReader(`
# HELP toprelay_dedup_resets_total How often the ledger was found emptied, so that what was delivered is forgotten.
# TYPE toprelay_dedup_resets_total counter
toprelay_dedup_resets_total 0
# HELP toprelay_dedup_entries Ids that the ledger remembers.
# TYPE toprelay_dedup_entries gauge
toprelay_dedup_entries 1
`), names...); err != nil {
				t.Error(err)
			}
			must(t, s.Close())
			if families, err := r.Gather(); len(families) != 0 || err != nil {
				t.Errorf("after Close the registry still has %d metrics, %v", len(families), err)
			}
		})
	}
}
