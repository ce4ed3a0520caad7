package retry

import (
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Options configure a Gate. A zero field has the default that its comment names.
type Options struct {
	Concurrency int                      // calls in flight over all methods; 256
	Methods     map[string]MethodOptions // a method that is not named here has the zero MethodOptions
	Accounts    map[string]string        // app keys by account: the series of their pauses exist from the start
	Rate        Rate                     // of each app key and method; zero: no limit
	Breaker     BreakerOptions

	ProbeInterval    time.Duration // first probe of a session or misconfiguration pause; 30 s
	MaxProbeInterval time.Duration // to which probe intervals double; 10 min

	FuseKeys  int           // different keys rejected in a row that make a rejection storm; 20
	FuseProbe time.Duration // between two probes of a rejection storm; 1 min

	Logger     *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: no metrics
}

// MethodOptions is what differs between methods.
type MethodOptions struct {
	Concurrency int   // calls in flight; 0: no limit of its own, but 4 where the method is not repeatable
	Rate        *Rate // nil: Options.Rate
	Repeatable  bool  // a call whose outcome is unknown may be made again
	Sessionless bool  // calls carry no session, and say nothing about one
}

// Rate limits the calls of one app key and method.
type Rate struct {
	PerSecond float64 // calls a second in the long run; 0: no limit
	Burst     int     // calls at once after a quiet time; 0: as many as PerSecond
	PerDay    int     // calls in one day of GMT+8; 0: no limit
}

// BreakerOptions say when the breaker of a method opens, and for how long.
type BreakerOptions struct {
	FailureRatio        float64       // share of failures in the window; 0.5
	MinRequests         int           // outcomes in the window before the share counts; 20
	Window              time.Duration // rolling, in ten steps; 30 s
	ConsecutiveFailures int           // failures in a row, from at least 2 keys; 5
	OpenFor             time.Duration // from opening to the first probe, and between two probes; 15 s
}

// singleConcurrency is the limit of a method that is not repeatable: an outage costs at most so many unknown outcomes.
const singleConcurrency = 4

func (o Options) withDefaults() Options {
	o.Concurrency = positive(o.Concurrency, 256)
	o.ProbeInterval = positive(o.ProbeInterval, 30*time.Second)
	o.MaxProbeInterval = max(positive(o.MaxProbeInterval, 10*time.Minute), o.ProbeInterval)
	o.FuseKeys = positive(o.FuseKeys, 20)
	o.FuseProbe = positive(o.FuseProbe, time.Minute)
	o.Breaker.FailureRatio = positive(o.Breaker.FailureRatio, 0.5)
	o.Breaker.MinRequests = positive(o.Breaker.MinRequests, 20)
	o.Breaker.Window = positive(o.Breaker.Window, 30*time.Second)
	o.Breaker.ConsecutiveFailures = positive(o.Breaker.ConsecutiveFailures, 5)
	o.Breaker.OpenFor = positive(o.Breaker.OpenFor, 15*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func positive[T int | float64 | time.Duration](v, fallback T) T {
	if v > 0 {
		return v
	}
	return fallback
}

// rate is the limit of a method.
func (o *Options) rate(method string) Rate {
	r := o.Rate
	if m, ok := o.Methods[method]; ok && m.Rate != nil {
		r = *m.Rate
	}
	if r.PerSecond > 0 && r.Burst <= 0 {
		r.Burst = int(math.Ceil(r.PerSecond))
	}
	return r
}

// concurrency is the limit of a method, 0 for none.
func (o *Options) concurrency(method string) int {
	m := o.Methods[method]
	if m.Concurrency <= 0 && !m.Repeatable {
		return singleConcurrency
	}
	return max(m.Concurrency, 0)
}
