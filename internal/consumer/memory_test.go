package consumer_test

import (
	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/dedup"
)

// The tests inside the package cannot import dedup, which imports the package: they get its store from here.
func init() {
	consumer.NewMemory = func() consumer.Ledger { return dedup.NewMemory(dedup.Options{}) }
}
