// Package deadletter writes events that were given up to the dead-letter topic, in an envelope of headers that says why
// (contract section 8). Key, value and every original header stay as they were, byte for byte.
package deadletter
