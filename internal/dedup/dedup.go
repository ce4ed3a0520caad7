// Package dedup is the ledger: it remembers what reached TOP, and who is on what.
//
// An id (method, account, idempotent id) has at most one row:
//
//	            Claim
//	(no row) ───────────► claimed ──Delivered──► delivered     kept for Options.Retention
//	    ▲                  │ │ └────Unknown────► unknown       kept for Options.Retention
//	    ├──────Forget──────┘ └──────Failed─────► released      keeps the history; the next Claim takes it up
//	    └──────Release (nothing had failed before)
//
// Redis keeps claims and rows on a server that several workers share; its rules are scripts that run there (see Redis). The
// two others share the rules of claims.go and differ in where the rows are: Memory in a map, for tests and the demo;
// SQLite in one file that one process opens. Claims themselves live in memory, because the process that holds the
// store is the only one that can hold a claim. A row is written for a claim only where losing it would do harm: for a
// method that is not repeatable (a claim found without a result must be known after a crash), and as long as the disk
// has just refused a write (no call may be made whose success cannot be recorded). For a repeatable method a restart
// takes over at once anyway and repeats the call with the same idempotent id, so that such a claim costs one lookup
// and a mark in a file of its own (see marks), which says after a crash that the call may have run.
//
// Every method of a store may be called by many goroutines. A nil error means durable. An error means that nothing was
// acknowledged; what was asked for may or may not have happened. A caller whose context ends gets the context's error
// at once: a result that was queued by then may still be recorded, a claim that was being made is given back.
package dedup

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// DefaultRetention is how long ids are remembered where Options.Retention is zero (contract section 12).
const DefaultRetention = 14 * 24 * time.Hour

const (
	defaultLockWait     = 30 * time.Second
	defaultCloseTimeout = 10 * time.Second
	// maxReply is the most that is kept with a delivered id: a reply of 1 KiB (contract section 6), and whose it was.
	maxReply = 4 << 10
	// maxLease bounds a claim, so that a wrong number cannot hold an id for ever.
	maxLease = 24 * time.Hour
)

// Options configure a store.
type Options struct {
	// Path is the SQLite file. Its folder is made where it is missing. Memory ignores it.
	Path string
	// Retention is how long delivered and unknown ids and the histories of failed ones are kept. 0: DefaultRetention.
	Retention time.Duration
	// LockWait is how long Open waits for another process to give the file free. 0: 30 s; negative: not at all.
	LockWait time.Duration
	// CloseTimeout bounds Close. 0: 10 s.
	CloseTimeout time.Duration
	// Logger gets what an operator should know. nil: nothing is logged.
	Logger *slog.Logger
	// Registerer gets the metrics. nil: they are not registered. Close takes them back.
	Registerer prometheus.Registerer
	// Now is the clock of leases, settled times and retention. nil: time.Now, whose monotonic reading keeps leases right
	// when the wall clock jumps.
	Now func() time.Time
	// Redis says where the store of several workers is. The others ignore it.
	Redis RedisOptions

	seams
}

// seams are for the tests of this package; their zero value changes nothing.
type seams struct {
	fault           func(step string) error // called before each step of the store; an error stands for the step's own
	migrations      []string                // in place of the real ones
	checkpointPages int                     // in place of checkpointPages
	pragmas         []string                // applied to each connection last
	lookUpAll       bool                    // every lookup reads the file
	serverNow       func() time.Time        // in place of the clock of the Redis server
	lookEvery       time.Duration           // in place of lookEvery
}

func (o Options) withDefaults() (Options, error) {
	if o.Retention < 0 {
		return o, errors.New("dedup: retention is negative: set dedup.retention to how long ids are to be remembered")
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.LockWait == 0 {
		o.LockWait = defaultLockWait
	}
	if o.CloseTimeout <= 0 {
		o.CloseTimeout = defaultCloseTimeout
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.fault == nil {
		o.fault = func(string) error { return nil }
	}
	if o.migrations == nil {
		o.migrations = migrations
	}
	if o.checkpointPages == 0 {
		o.checkpointPages = checkpointPages
	}
	if o.lookEvery == 0 {
		o.lookEvery = lookEvery
	}
	return o, nil
}
