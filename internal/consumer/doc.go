// Package consumer is the core of the worker. A partition hands its records to keyed lanes; for each record a lane
// decodes, claims, calls, and gets an outcome; the outcome alone decides what is written, and the partition commits up to
// its lowest unsettled record.
//
// Read process.go first. Who owns what:
//
//	worker.go     what the worker is made of; join, consume, join again
//	generation.go the life of a generation: fetch, drain, release
//	partition.go  one owned partition: the fetch loop
//	window.go     which offsets are settled, and how far the partition may commit
//	bounds.go     how much may be unsettled before fetching stops
//	lane.go       the events of one key, in order
//	schedule.go   which lanes wait, which are ready, and until when
//	dispatch.go   which lane makes its attempt next
//	attempt.go    the goroutines that make attempts
//	process.go    decode → claim → call → outcome
//	verdict.go    from a reply to an outcome
//	settle.go     from an outcome to ledger, dead letter, result, window, metric and log line
//	commit.go     watermarks to the group
package consumer
