// Package retry decides when a call may be made, when it is made again, and when an event is given up.
//
// Policy is the arithmetic of one event: how long to wait after a failed attempt, and whether its attempts are used up.
// Gate is the world: the one place that every call must pass. It knows the pauses (bans, dead sessions, wrong
// configuration, rejection storms), a breaker for each method, the calls in flight and the token buckets. Whoever wants
// to call asks Admit and gets a Permit or a Refusal that says why not and until when; whoever holds a Permit gives it
// back with Done, says what came of the call, and is told what that means for the event. The gate never blocks and starts no goroutine: it looks at the clock
// when it is asked, and NextChange says when asking again is worth while.
//
// The rule behind it all is contract section 1: what is wrong with the world pauses the smallest scope that it concerns
// and waits; an event is given up only on evidence against the event. So a failure counts against an event only with a
// witness (another key that got a conclusive reply in between), and a session or configuration reply to one key parks
// that key alone until a second key has had one too.
//
// The package knows nothing of events, of TOP codes and of HTTP: the caller translates a reply into a Report.
package retry
