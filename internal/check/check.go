// Package check looks at everything that a worker needs, and says in one line each whether it is well and what to do
// where it is not. It changes nothing, joins no group and makes no signed call, so that it can run beside a worker.
package check

import (
	"context"
	"fmt"
	"time"

	"github.com/toprelay/worker/internal/broker"
	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/schemas"
)

// Names of the checks.
const (
	Configuration = "configuration"
	Files         = "files"
	Ledger        = "ledger"
	Kafka         = "kafka"
	Topics        = "topics"
	Gateway       = "gateway"
	Qimen         = "qimen"
	Clock         = "clock"
	Sessions      = "sessions"
)

// Status is how a check ended.
type Status string

// The four ends of a check. Warning is what the worker can run with, Skipped what could not be looked at or is not in use.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Skipped Status = "skipped"
)

// Cause says whose matter a failure is; it decides the exit code. It is empty where nothing failed.
type Cause string

// The causes, from the one that weighs most.
const (
	BadConfiguration Cause = "configuration" // the worker would refuse to start
	Unreachable      Cause = "unreachable"   // the worker would wait
	Fault            Cause = "fault"         // it is there, and not as it must be
)

// Finding is one line of the report. It never holds a secret or what a file holds.
type Finding struct {
	Check   string `json:"check"`
	Status  Status `json:"status"`
	Message string `json:"message"`
	Advice  string `json:"advice,omitempty"` // what to do
	Cause   Cause  `json:"cause,omitempty"`
}

// Options say what to look at.
type Options struct {
	Config *config.Config // loaded
	// Connect makes a client of the configured cluster; it need not connect yet.
	Connect func() (*broker.Client, error)
	// Redis asks the Redis of the ledger what it is, where the ledger is there; each question has so long to be answered. Where
	// that fails the cause says whose matter it is.
	Redis func(context.Context, time.Duration) (RedisState, Cause, error)
	// Timeout is how long each thing that is asked has to answer; default 5 s.
	Timeout time.Duration
	// Only, where not empty, names the checks to make.
	Only []string
	// Now is the clock that is compared with the gateway's; default time.Now.
	Now func() time.Time
}

const defaultTimeout = 5 * time.Second

// check is one of the checks. It adds its findings to the run.
type check struct {
	name string
	look func(*run, context.Context)
}

// checks is all of them, in the order of the report.
var checks = []check{
	{Configuration, (*run).configuration},
	{Files, (*run).files},
	{Ledger, (*run).ledger},
	{Kafka, (*run).kafka},
	{Topics, (*run).topics},
	{Gateway, (*run).gateway},
	{Qimen, (*run).qimen},
	{Clock, (*run).clock},
	{Sessions, (*run).sessions},
}

// Names lists the checks in the order of the report.
func Names() []string {
	names := make([]string, len(checks))
	for i, c := range checks {
		names[i] = c.name
	}
	return names
}

// run is one report on its way.
type run struct {
	Options
	name     string // of the check that is being made
	findings []Finding

	catalogue    *schemas.Catalogue // nil where it cannot be loaded
	catalogueErr error
	cluster      *cluster          // nil: not asked yet
	replies      map[string]*reply // of gateways that were asked, by URL
}

// Run makes the checks and returns what it found. It ends early where ctx ends.
func Run(ctx context.Context, o Options) []Finding {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &run{Options: o, replies: map[string]*reply{}}
	r.catalogue, r.catalogueErr = schemas.Load(o.Config.SchemasDir)
	defer r.close()
	for _, c := range checks {
		if !r.wanted(c.name) || ctx.Err() != nil {
			continue
		}
		r.name = c.name
		c.look(r, ctx)
	}
	return r.findings
}

func (r *run) wanted(name string) bool {
	for _, n := range r.Only {
		if n == name {
			return true
		}
	}
	return len(r.Only) == 0
}

func (r *run) close() {
	if r.cluster != nil && r.cluster.client != nil {
		r.cluster.client.Close()
	}
}

func (r *run) ok(format string, args ...any) {
	r.add(Finding{Status: OK, Message: fmt.Sprintf(format, args...)})
}

func (r *run) skip(format string, args ...any) {
	r.add(Finding{Status: Skipped, Message: fmt.Sprintf(format, args...)})
}

func (r *run) warn(message, advice string) {
	r.add(Finding{Status: Warning, Message: message, Advice: advice})
}

func (r *run) fail(cause Cause, message, advice string) {
	r.add(Finding{Status: Failed, Message: message, Advice: advice, Cause: cause})
}

func (r *run) add(f Finding) {
	f.Check = r.name
	r.findings = append(r.findings, f)
}

// Worst is the cause that weighs most among the failures, empty where there is none.
func Worst(findings []Finding) Cause {
	for _, c := range []Cause{BadConfiguration, Unreachable, Fault} {
		for _, f := range findings {
			if f.Cause == c {
				return c
			}
		}
	}
	return ""
}

// count writes a number with its noun: 1 topic, 2 topics.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
