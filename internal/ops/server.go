// Package ops serves what an operator's tools ask for: metrics, liveness and readiness (contract section 10).
package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check is one thing that the worker needs to be ready.
type Check struct {
	Name string // short, as it is named in the reply
	// Err says what is missing, nil when all is well. It must not block.
	Err func() error
}

// Options say what is served.
type Options struct {
	Listen   string       // the address
	Listener net.Listener // where not nil, used in the place of Listen; it is the server's from then on
	Gatherer prometheus.Gatherer
	Live     func() error // nil while the main loop ticks
	Ready    []Check
	Status   func() any // what /api/v1/status answers, as JSON
	// Tokens, where not nil, protect what other hosts must not read: /api, and /metrics where ProtectMetrics is set. /livez
	// and /readyz stay open.
	Tokens         *Tokens
	ProtectMetrics bool
}

// Server is the ops listener.
type Server struct {
	listener net.Listener
	server   *http.Server
	done     chan error
}

const (
	readHeaderTimeout = 5 * time.Second
	requestTimeout    = 30 * time.Second
	maxHeaderBytes    = 16 << 10
	scrapeTimeout     = 10 * time.Second
	maxScrapes        = 4
)

// Start listens and serves until Close.
func Start(o Options) (*Server, error) {
	listener := o.Listener
	if listener == nil {
		var err error
		if listener, err = net.Listen("tcp", o.Listen); err != nil {
			return nil, fmt.Errorf("ops.listen: %w: choose another address", err)
		}
	}
	s := &Server{
		listener: listener, done: make(chan error, 1),
		server: &http.Server{
			Handler: Handler(o), ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: requestTimeout,
			WriteTimeout: requestTimeout, IdleTimeout: time.Minute, MaxHeaderBytes: maxHeaderBytes,
		},
	}
	go func() { s.done <- s.server.Serve(listener) }()
	return s, nil
}

// Addr is the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops listening and lets requests finish until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	if served := <-s.done; served != nil && !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// Handler serves /metrics, /livez, /readyz and /api/v1/status.
func Handler(o Options) http.Handler {
	mux := http.NewServeMux()
	metrics := promhttp.HandlerFor(o.Gatherer, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout,
	})
	if o.Tokens != nil && o.ProtectMetrics {
		metrics = o.Tokens.protect(metrics)
	}
	mux.Handle("GET /metrics", metrics)
	var status http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, o.Status()) })
	if o.Tokens != nil {
		status = o.Tokens.protect(status)
	}
	mux.Handle("GET /api/v1/status", status)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { live(w, o.Live) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, o.Ready) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, "TOP Relay\n\n/metrics  Prometheus metrics\n/livez    is the process alive\n/readyz   does it consume, and if not, what is missing\n/api/v1/status  what waits, why, and for how long: partitions, pauses, breakers, bounds")
	})
	return mux
}

func live(w http.ResponseWriter, check func() error) {
	if err := check(); err != nil {
		reply(w, http.StatusServiceUnavailable, map[string]any{"live": false, "error": err.Error()})
		return
	}
	reply(w, http.StatusOK, map[string]any{"live": true})
}

// missing is one thing that keeps the worker from being ready.
type missing struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

func ready(w http.ResponseWriter, checks []Check) {
	lacks := []missing{}
	for _, c := range checks {
		if err := c.Err(); err != nil {
			lacks = append(lacks, missing{c.Name, err.Error()})
		}
	}
	status := http.StatusOK
	if len(lacks) > 0 {
		status = http.StatusServiceUnavailable
	}
	reply(w, status, map[string]any{"ready": len(lacks) == 0, "missing": lacks})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone away needs no reply
}
