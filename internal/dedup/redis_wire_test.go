package dedup

import (
	"io"
	"net"
	"sync"
	"testing"
)

// wire stands between a store and its server, and can keep what goes over it.
type wire struct {
	listener net.Listener
	server   string

	mu       sync.Mutex
	requests *gate
	answers  *gate
	conns    map[net.Conn]bool
	running  sync.WaitGroup
}

// gate is open, or keeps what comes until it opens again.
type gate struct{ open chan struct{} }

func newGate(open bool) *gate {
	g := &gate{open: make(chan struct{})}
	if open {
		close(g.open)
	}
	return g
}

// newWire leads to the server at to.
func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{listener: l, server: to, requests: newGate(true), answers: newGate(true), conns: map[net.Conn]bool{}}
	w.running.Go(w.accept)
	t.Cleanup(func() {
		_ = l.Close()
		w.lead("")
		w.passRequests()
		w.passAnswers()
		w.running.Wait()
	})
	return w
}

func (w *wire) options() RedisOptions {
	return RedisOptions{Addresses: []string{w.listener.Addr().String()}}
}

// lead cuts all connections; new ones go to another server.
func (w *wire) lead(to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.server = to
	for c := range w.conns {
		_ = c.Close()
	}
	clear(w.conns)
}

// keepRequests lets nothing through to the server, keepAnswers nothing from it.
func (w *wire) keepRequests() { w.keep(&w.requests) }
func (w *wire) keepAnswers()  { w.keep(&w.answers) }

func (w *wire) passRequests() { w.pass(&w.requests) }
func (w *wire) passAnswers()  { w.pass(&w.answers) }

func (w *wire) keep(which **gate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-(*which).open:
		*which = newGate(false)
	default: // shut already
	}
}

func (w *wire) pass(which **gate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-(*which).open:
	default:
		close((*which).open)
	}
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		to := w.server
		w.mu.Unlock()
		server, err := net.Dial("tcp", to)
		if err != nil {
			_ = client.Close()
			continue
		}
		w.mu.Lock()
		w.conns[client], w.conns[server] = true, true
		w.mu.Unlock()
		w.running.Go(func() { w.copy(server, client, &w.requests) })
		w.running.Go(func() { w.copy(client, server, &w.answers) })
	}
}

// copy passes on what comes, also after the side that it came from has gone: it was on its way.
func (w *wire) copy(to, from net.Conn, which **gate) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		w.mu.Lock()
		g := *which
		w.mu.Unlock()
		<-g.open
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				_, _ = io.Copy(io.Discard, from)
				return
			}
		}
		if err != nil {
			return
		}
	}
}
