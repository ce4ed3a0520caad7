package broker

import (
	"context"
	"net"
	"sync"
)

// connections opens network connections and remembers the open ones, so that closing does not have to wait for a broker
// that does not answer: kafka-go only closes connections that are idle.
type connections struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu     sync.Mutex
	open   map[*connection]struct{}
	dials  int
	closed bool
}

func newConnections(dial func(context.Context, string, string) (net.Conn, error)) *connections {
	return &connections{dial: dial, open: map[*connection]struct{}{}}
}

// Dial opens a connection. After Close it fails with net.ErrClosed.
func (c *connections) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	c.dials++
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return nil, net.ErrClosed
	}
	nc, err := c.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	conn := &connection{Conn: nc, owner: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		nc.Close()
		return nil, net.ErrClosed
	}
	c.open[conn] = struct{}{}
	return conn, nil
}

// Cut closes the open connections. New ones can be opened.
func (c *connections) Cut() { c.cut(false) }

// Close closes the open connections, and no more are opened.
func (c *connections) Close() { c.cut(true) }

func (c *connections) cut(forGood bool) {
	c.mu.Lock()
	open := c.open
	c.open, c.closed = map[*connection]struct{}{}, c.closed || forGood
	c.mu.Unlock()
	for conn := range open {
		conn.Conn.Close()
	}
}

// count returns how many connections are open, and how many were asked for so far.
func (c *connections) count() (open, dials int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open), c.dials
}

type connection struct {
	net.Conn
	owner *connections
}

func (c *connection) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.open, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
