package event_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/event"
)

// The reasons are a closed set that alerts and dashboards are built on.
func TestReasonsAreTheContracts(t *testing.T) {
	want := strings.Fields(`malformed_event unsupported_format unknown_type invalid_data oversized expired unknown_account
		idempotency_conflict rejected retries_exhausted outcome_unknown held shed`)
	var got []string
	for _, r := range event.Reasons() {
		got = append(got, string(r))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
