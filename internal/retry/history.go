package retry

import "time"

// History is what the attempts of one event have left. It survives restarts in the ledger.
type History struct {
	Attempts      int           // attempts that failed for a reason that counts
	FirstFailedAt time.Time     // when the first of them failed; zero: none has
	LastAttemptAt time.Time     // when the last one was made
	Active        time.Duration // time since the first failure in which no pause and no open breaker held the event
	Ambiguous     bool          // one of them may have run
	Spared        int           // tries made after another key had passed where this event had been refused
	ParseRetried  bool          // the one retry of an isp parse code was used
	Lettered      string        // the records of this id whose clean dead letters are acknowledged, and what those say; empty: none
	Origin        string        // the record of this id whose call may have run, where it must not be repeated, and what its letter says; empty: none
}
