package integration

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/toprelay/worker/internal/app"
)

// run is a worker in this process.
type run struct {
	app    *app.App
	cancel context.CancelFunc
	done   chan struct{}
	err    error // once done is closed
}

// start runs the worker until the test ends or stop is called.
func (r *relay) start() {
	r.t.Helper()
	if err := r.startError(); err != nil {
		r.t.Fatalf("the worker did not start: %v", err)
	}
}

// startError runs the worker as start does, or returns the error that ends the start before its ops listener is there.
func (r *relay) startError() error {
	r.t.Helper()
	c := r.load()
	ctx, cancel := context.WithCancel(context.Background())
	u := &run{cancel: cancel, done: make(chan struct{})}
	started := make(chan struct{})
	var once sync.Once
	go func() {
		defer close(u.done)
		u.err = app.Run(ctx, app.Options{
			Config: c, Version: "test", Observer: r,
			Logger:  slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo})),
			Started: func(a *app.App) { once.Do(func() { u.app = a; close(started) }) },
		})
	}()
	r.t.Cleanup(func() { r.end(u) })
	select {
	case <-started:
		r.run = u
		r.runs++
		return nil
	case <-u.done:
		return u.err
	}
}

// stop drains and stops the worker, as SIGTERM does. The metrics are kept as they were just before.
func (r *relay) stop() {
	r.t.Helper()
	r.scrape()
	r.end(r.run)
	r.run = nil
}

// end ends a run, if it has not ended.
func (r *relay) end(u *run) {
	r.t.Helper()
	select {
	case <-u.done:
		return
	default:
	}
	u.cancel()
	select {
	case <-u.done:
		if u.err != nil {
			r.t.Errorf("the worker's end: %v", u.err)
		}
	case <-time.After(patience):
		r.t.Errorf("the worker did not stop")
	}
}
