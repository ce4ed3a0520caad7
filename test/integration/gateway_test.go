package integration

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/simulator"
)

// gateway is what a worker takes for the platform: the simulator behind a port that can be shut, and a log of all that
// went over it, cut replies included. A shut port refuses connections.
type gateway struct {
	t      *testing.T
	sim    *simulator.Simulator
	door   door
	server *http.Server
	served chan error

	mu        sync.Mutex
	exchanges []*exchange
	changed   chan struct{}
}

// exchange is one request as the gateway saw it.
type exchange struct {
	Begun, Ended time.Time
	Method       string
	AppKey       string
	Session      bool
	Mark         string // of the event, see mark
	Status       int
	Reply        string // at most maxReplyKept bytes
	Whole        bool   // the reply went out to its end
	Open         bool   // still going on
}

const maxReplyKept = 4096

func newGateway(t *testing.T, o simulator.Options) *gateway {
	t.Helper()
	sim, err := simulator.New(o)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{t: t, sim: sim, door: newDoor(t), changed: make(chan struct{})}
	t.Cleanup(g.shut)
	return g
}

// open starts to listen.
func (g *gateway) open() {
	g.t.Helper()
	l := g.door.open(g.t)
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: patience}
	g.served = make(chan error, 1)
	go func() { g.served <- g.server.Serve(l) }()
}

// shut stops listening and cuts all connections.
func (g *gateway) shut() {
	if g.server == nil {
		return
	}
	_ = g.server.Close()
	if err := <-g.served; !errors.Is(err, http.ErrServerClosed) {
		g.t.Error(err)
	}
	g.server = nil
}

// release cuts the calls that are under way.
func (g *gateway) release() {
	g.shut()
	g.open()
}

func (g *gateway) faults(faults ...simulator.Fault) {
	g.t.Helper()
	if err := g.sim.SetFaults(faults); err != nil {
		g.t.Fatal(err)
	}
}

// ServeHTTP passes a request on to the simulator and keeps what became of it.
func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the worker went away
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Del("Accept-Encoding") // so that the log can be read
	x := &exchange{Begun: time.Now(), Open: true, Mark: markOf(body), Status: http.StatusOK}
	for _, pair := range [...]struct {
		name string
		to   *string
	}{{"method", &x.Method}, {"app_key", &x.AppKey}} {
		*pair.to = r.URL.Query().Get(pair.name)
		if *pair.to == "" {
			*pair.to = formValue(body, pair.name)
		}
	}
	x.Session = r.URL.Query().Get("session") != "" || formValue(body, "session") != ""
	g.mu.Lock()
	g.exchanges = append(g.exchanges, x)
	g.signal()
	g.mu.Unlock()
	tap := &tap{ResponseWriter: w, exchange: x, gateway: g}
	defer func() {
		cut := recover()
		g.mu.Lock()
		x.Ended, x.Open, x.Whole = time.Now(), false, cut == nil
		g.signal()
		g.mu.Unlock()
		if cut != nil {
			panic(cut)
		}
	}()
	g.sim.Handler().ServeHTTP(tap, r)
}

// signal wakes those who wait. The lock is held.
func (g *gateway) signal() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// tap copies a reply into its exchange.
type tap struct {
	http.ResponseWriter
	exchange *exchange
	gateway  *gateway
}

func (t *tap) WriteHeader(status int) {
	t.gateway.mu.Lock()
	t.exchange.Status = status
	t.gateway.mu.Unlock()
	t.ResponseWriter.WriteHeader(status)
}

func (t *tap) Write(p []byte) (int, error) {
	t.gateway.mu.Lock()
	if room := maxReplyKept - len(t.exchange.Reply); room > 0 {
		t.exchange.Reply += string(p[:min(room, len(p))])
	}
	t.gateway.mu.Unlock()
	return t.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the real writer.
func (t *tap) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// log is a copy of all exchanges, in the order in which they began.
func (g *gateway) log() []exchange {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]exchange, len(g.exchanges))
	for i, x := range g.exchanges {
		all[i] = *x
	}
	return all
}

// await waits until the exchanges satisfy ok. It returns false when ctx ends first.
func (g *gateway) await(ctx context.Context, ok func(exchange) bool, n int) bool {
	for {
		g.mu.Lock()
		changed, found := g.changed, 0
		for _, x := range g.exchanges {
			if ok(*x) {
				found++
			}
		}
		g.mu.Unlock()
		if found >= n {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// of are the exchanges that satisfy all conditions.
func of(all []exchange, conditions ...func(exchange) bool) []exchange {
	var some []exchange
next:
	for _, x := range all {
		for _, ok := range conditions {
			if !ok(x) {
				continue next
			}
		}
		some = append(some, x)
	}
	return some
}

func byMark(mark string) func(exchange) bool {
	return func(x exchange) bool { return x.Mark == mark }
}

func byMethod(method string) func(exchange) bool {
	return func(x exchange) bool { return x.Method == method }
}

var (
	success   = regexp.MustCompile(`success"?\s*[:>]\s*"?true`)
	failure   = regexp.MustCompile(`success"?\s*[:>]\s*"?false|"sub_code":"isv\.|<sub_code>isv\.`)
	errorCode = regexp.MustCompile(`"error_response":\{"code":(\d+)|<code>(\d+)</code>`)
)

// accepted says that the worker was told that it succeeded.
func (x exchange) accepted() bool {
	return x.Whole && x.Status == http.StatusOK && success.MatchString(x.Reply)
}

// code is the platform's error code that the worker was told, 0 where there was none.
func (x exchange) code() int {
	m := errorCode.FindStringSubmatch(x.Reply)
	if !x.Whole || m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1] + m[2])
	return n
}

// nothingRan says that the reply proves that the call had no effect (contract section 5, not repeatable).
func (x exchange) nothingRan() bool {
	switch n := x.code(); {
	case n >= 4 && n <= 9, n >= 11 && n <= 13, n >= 21 && n <= 34, n == 42, n == 44, n == 53:
		return true
	}
	return false
}

// rejected says that the worker was told that its call was refused for what is in it.
func (x exchange) rejected() bool {
	return x.Whole && x.Status == http.StatusOK && failure.MatchString(x.Reply)
}

// mark is a text in the data of an event that shows in its call whatever the encoding: letters and digits only.
var mark = regexp.MustCompile(`mk[0-9]+z`)

func markOf(body []byte) string { return string(mark.Find(body)) }

func formValue(body []byte, name string) string {
	for pair := range strings.SplitSeq(string(body), "&") {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}
