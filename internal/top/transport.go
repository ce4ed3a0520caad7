package top

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// newTransport makes the transport of one client. timeout bounds a dial, which goes on in the background when its call
// has given up.
//
// It speaks HTTP/1.1 only: there, what was written and what was not is known to the byte, and net/http sends a POST again
// only where it has proof that none of it was written. HTTP/2 repeats requests on the word of the peer.
func newTransport(concurrency int, timeout time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: min(timeout, 10*time.Second), KeepAlive: 30 * time.Second}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &countedConn{Conn: conn}, nil
		},
		Protocols: &protocols,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(0), // the gateway closes connections often
		},
		TLSHandshakeTimeout: min(timeout, 10*time.Second),
		// With fewer idle connections than calls in flight, most calls would dial.
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: concurrency,
		MaxConnsPerHost:     concurrency,
		// Below what gateways grant, so that it is seldom the gateway that closes an idle connection.
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		WriteBufferSize:        8 << 10,
	}
}

// countedConn counts the writes that are on their way or done. A write is counted before it begins, and taken back when
// not a byte of it went out: the count never says "nothing" of a request that may have left.
type countedConn struct {
	net.Conn
	writes atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	n, err := c.Conn.Write(p)
	if n == 0 && err != nil {
		c.writes.Add(-1)
	}
	return n, err
}

// countedBelow finds the counted connection under TLS.
func countedBelow(conn net.Conn) *countedConn {
	for {
		switch c := conn.(type) {
		case *countedConn:
			return c
		case interface{ NetConn() net.Conn }:
			conn = c.NetConn()
		default:
			return nil
		}
	}
}
