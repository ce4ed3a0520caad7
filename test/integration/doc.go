// Package integration runs whole workers against the simulator, on the embedded broker or on the Kafka at
// TOPRELAY_TEST_KAFKA: the same suite on both. relay_test.go is the worker with all around it, gateway_test.go the log of
// what it called, and oracle_test.go the judge that most tests end with.
package integration
