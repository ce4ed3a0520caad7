// Package top is the client of Taobao Open Platform (TOP) and of its Qimen gateway: it encodes the data of an event as
// the parameters of a call, signs and sends the call, reads the reply, and says what the reply means.
//
// It makes one attempt and decides nothing more: retries, pauses and dead letters belong to its callers, which act on
// Reply.Class. What differs between the APIs stands in the schemas; this package knows three encodings, not five
// methods.
//
// Secrets and sessions are read at each call, are sent in the body only, and never stand in a URL or an error text.
package top
