// Package simulator is a gateway of Taobao Open Platform (TOP) and Qimen for demo, tests and load.
//
// It verifies signs, timestamps, sessions and arguments in the platform's order, answers in the platform's shapes,
// keeps flow control in the platform's words, remembers what it received, and misbehaves on request (contract section
// 11, protocol page sections 1 to 7 and 9 item 4). It starts no goroutine: Handler goes into any HTTP server.
package simulator

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/toprelay/worker/schemas"
)

// Options of a simulator. The zero value with one app key is usable.
type Options struct {
	// Apps are the app keys that are known.
	Apps map[string]App
	// Catalogue has the methods that are served; nil = the embedded schemas.
	Catalogue *schemas.Catalogue
	// Latency makes each reply late; the effect is not delayed. 0 = none.
	Latency time.Duration
	// PerSecond is the calls a second of one app key and method, PerDay the calls a day (GMT+8) of one app key, that
	// pass before code 7. 0 = no limit.
	PerSecond, PerDay int
	// NoGzip sends replies as they are, also to clients that ask for gzip.
	NoGzip bool
	// KeepCalls and KeepBytes bound the log of calls: the last so many, in so many bytes. 0 = 100,000 and 256 MiB.
	KeepCalls, KeepBytes int
	// RemoteControl opens /_sim to clients that are not on loopback.
	RemoteControl bool
	// Now is the clock, for timestamps, limits and bans; nil = time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if o.KeepCalls == 0 {
		o.KeepCalls = 100_000
	}
	if o.KeepBytes == 0 {
		o.KeepBytes = 256 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func (o *Options) validate() error {
	var errs []error
	for key, a := range o.Apps {
		errs = append(errs, checkApp(key, a))
	}
	if o.Latency < 0 || o.PerSecond < 0 || o.PerDay < 0 || o.KeepCalls < 0 || o.KeepBytes < 0 {
		errs = append(errs, errors.New("simulator: latency, limits and bounds must not be negative"))
	}
	return errors.Join(errs...)
}

// Simulator is a gateway. All methods may be called at any time, by several goroutines.
type Simulator struct {
	options    Options
	apis       map[string]*api // by method
	apps       atomic.Pointer[map[string]*app]
	mu         sync.Mutex // serialises changes of apps
	faults     faultSet
	limits     limits
	backEnd    backEnd
	log        callLog
	requestIDs requestIDs
}

// New makes a simulator.
func New(o Options) (*Simulator, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o.setDefaults()
	if o.Catalogue == nil {
		catalogue, err := schemas.Load("")
		if err != nil {
			return nil, fmt.Errorf("simulator: %w", err)
		}
		o.Catalogue = catalogue
	}
	s := &Simulator{
		options: o,
		apis:    map[string]*api{},
		limits:  limits{perSecond: o.PerSecond, perDay: o.PerDay},
		log:     callLog{maxCalls: o.KeepCalls, maxBytes: o.KeepBytes},
	}
	for _, t := range o.Catalogue.Types() {
		if t.Method != "" {
			s.apis[t.Method] = newAPI(t)
		}
	}
	apps := make(map[string]*app, len(o.Apps))
	for key, a := range o.Apps {
		apps[key] = newApp(a)
	}
	s.apps.Store(&apps)
	s.requestIDs.count.Store(uint64(o.Now().UnixNano()))
	return s, nil
}

// Paths that Handler serves.
const (
	PathTOP          = "/router/rest"
	PathQimenCloud   = "/router/qm"
	PathQimenService = "/router/qimen/service"
	PathFaults       = "/_sim/faults"
	PathCalls        = "/_sim/calls"
)

// Handler serves the gateways and /_sim. A fault that cuts the connection panics with http.ErrAbortHandler, as
// net/http wants it.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.route) }

// route is a plain switch, since a mux costs more than it is worth on the path of every call.
func (s *Simulator) route(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case PathTOP:
		s.serve(w, r, gatewayTOP)
	case PathQimenCloud:
		s.serve(w, r, gatewayQimenCloud)
	case PathQimenService:
		s.serve(w, r, gatewayQimenService)
	case PathFaults:
		s.control(w, r, s.controlFaults)
	case PathCalls:
		s.control(w, r, s.controlCalls)
	default:
		http.NotFound(w, r)
	}
}

// SetFaults puts the faults in force instead of those before, whose bans end. Counts start anew. On an error nothing
// is changed.
func (s *Simulator) SetFaults(faults []Fault) error {
	checked := make([]Fault, len(faults))
	for i, f := range faults {
		if err := f.check(s.apis); err != nil {
			return fmt.Errorf("simulator: fault %w", inFault(i, err))
		}
		checked[i] = f
	}
	s.faults.replace(checked)
	return nil
}

// Faults returns the faults in force with their hit counts.
func (s *Simulator) Faults() []FaultStatus { return s.faults.status() }

// Calls returns the calls in the log, oldest first. Calls that did not overlap are in the order of their effects.
func (s *Simulator) Calls() []Call {
	records := s.log.snapshot()
	calls := make([]Call, len(records))
	for i := range records {
		calls[i] = records[i].call()
	}
	return calls
}

// WaitCalls waits until n calls were received since the start or the last Reset.
func (s *Simulator) WaitCalls(ctx context.Context, n int) error { return s.log.wait(ctx, n, 0) }

// WaitAccepted waits until the effect of n calls has happened since the start or the last Reset.
func (s *Simulator) WaitAccepted(ctx context.Context, n int) error { return s.log.wait(ctx, 0, n) }

// Reset forgets calls, faults, limits, orders and idempotent ids. App keys stay.
func (s *Simulator) Reset() {
	s.faults.replace(nil)
	s.limits.reset()
	s.backEnd.reset()
	s.log.clear()
}
