package top

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
)

// Bounds of a reply, after gunzip.
const (
	maxReply   = 8 << 20   // bytes; more is a reply of unknown effect
	smallReply = 256 << 10 // bytes; larger ones are read a few at a time
	largeSlots = 2         // large replies that are read at once: they bound the memory
	maxKept    = 64 << 10  // bytes of a buffer that is used again
)

// endpoint is where calls go.
type endpoint struct {
	url    *url.URL
	header http.Header // shared by all requests, never changed
}

// exchange is one HTTP request and what came back. It holds the buffers of a call and is used again for others.
type exchange struct {
	params  []Param
	signer  signer
	text    []byte // the form
	body    bytes.Buffer
	limited io.LimitedReader
	decoder replyDecoder

	status     int // 0 where no status line was read
	retryAfter string
	written    bool  // request bytes went out
	cancelled  bool  // the caller's context ended first
	err        error // why the reply could not be read; safe to show
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

func newExchange() *exchange {
	return exchanges.Get().(*exchange)
}

// recycle gives the buffers back. Nothing that was read may refer to them.
func (x *exchange) recycle() {
	if x.body.Cap() > maxKept || cap(x.text) > maxKept || cap(x.signer.base) > maxKept {
		return
	}
	clear(x.params)
	clear(x.signer.base) // it holds the secret for md5, and personal data
	x.params, x.text = x.params[:0], x.text[:0]
	x.body.Reset()
	x.limited.R = nil
	x.status, x.retryAfter, x.written, x.cancelled, x.err = 0, "", false, false, nil
	exchanges.Put(x)
}

// send sends the request and reads the whole reply, within the attempt's time-out.
func (c *Client) send(ctx context.Context, x *exchange, a *attempt) {
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, errTimeout)
	defer cancel()

	target := a.endpoint.url
	if a.query != "" {
		withQuery := *target
		withQuery.RawQuery = a.query
		target = &withQuery
	}
	var w writing
	w.trace.GotConn = w.gotConn
	request := (&http.Request{
		Method:        http.MethodPost,
		URL:           target,
		Host:          target.Host,
		Header:        a.endpoint.header,
		Body:          io.NopCloser(bytes.NewReader(a.body)),
		ContentLength: int64(len(a.body)),
		GetBody:       func() (io.ReadCloser, error) { return w.again(a.body) },
	}).WithContext(httptrace.WithClientTrace(ctx, &w.trace))

	// RoundTrip and not Client.Do: it follows no redirects, keeps no cookies, and its errors do not print the URL.
	response, err := c.transport.RoundTrip(request)
	if err == nil {
		x.status = response.StatusCode
		x.retryAfter = response.Header.Get("Retry-After")
		if x.status >= 200 {
			err = x.readBody(ctx, response, c.large)
		}
		response.Body.Close()
	}
	x.written = w.written()
	if err == nil {
		return
	}
	if cause := context.Cause(ctx); cause != nil {
		x.cancelled = !errors.Is(cause, errTimeout)
		err = cause
	}
	x.err = explain(err, a.timeout, x.written)
}

// readBody reads the reply to its end, so that the connection can serve another call, or to the bound.
// large bounds the large replies that are read at once.
func (x *exchange) readBody(ctx context.Context, response *http.Response, large chan struct{}) error {
	x.limited = io.LimitedReader{R: response.Body, N: smallReply + 1}
	n, err := x.body.ReadFrom(&x.limited)
	if err != nil || n <= smallReply {
		return err
	}
	// Nobody needs a long page of text: only what may be an answer is worth the memory.
	if start := bytes.TrimLeft(x.body.Bytes(), "\uFEFF \t\r\n"); len(start) > 0 && start[0] != '{' && start[0] != '<' {
		return errGarbage
	}
	select {
	case large <- struct{}{}:
		defer func() { <-large }()
	case <-ctx.Done():
		return ctx.Err()
	}
	x.limited.N = maxReply - n + 1
	more, err := x.body.ReadFrom(&x.limited)
	if err == nil && n+more > maxReply {
		err = errOversized
	}
	return err
}

// writing follows which connection a request uses and whether a byte of it went out.
type writing struct {
	trace httptrace.ClientTrace
	conn  *countedConn
	blind bool  // the connection cannot be watched: think the worst
	base  int64 // writes before this request
}

func (w *writing) gotConn(info httptrace.GotConnInfo) {
	w.conn = countedBelow(info.Conn)
	w.blind = w.conn == nil
	if w.conn != nil {
		w.base = w.conn.writes.Load()
	}
}

// written is false where there was no connection, and so nothing but names, dials and handshakes.
func (w *writing) written() bool {
	return w.blind || w.conn != nil && w.conn.writes.Load() > w.base
}

// again gives net/http the body once more. It asks for it where an idle connection turned out to be closed before a byte
// of the request was written; it has to prove that here: no call is ever sent twice on its own account.
func (w *writing) again(body []byte) (io.ReadCloser, error) {
	if w.written() {
		return nil, errors.New("a request that was written is not repeated")
	}
	return io.NopCloser(bytes.NewReader(body)), nil
}
