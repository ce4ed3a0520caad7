package top

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestNothingWasWritten: names, dials, handshakes and a full pool end before a byte of the request is written.
func TestNothingWasWritten(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	tlsGateway := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, updateOK) }))
	tlsGateway.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsGateway.StartTLS()
	defer tlsGateway.Close()
	oldGateway := httptest.NewUnstartedServer(tlsGateway.Config.Handler)
	oldGateway.Config.ErrorLog = tlsGateway.Config.ErrorLog
	oldGateway.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	oldGateway.StartTLS()
	defer oldGateway.Close()
	trust := func(tr *http.Transport) {
		tr.TLSClientConfig.RootCAs = tlsGateway.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	}
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	defer plain.Close()
	silent := rawGateway(t, func(_ int, _ *net.TCPConn, r *bufio.Reader) { untilClosed(r) })

	for _, c := range []struct {
		name, gateway, says string
		change              func(*http.Transport)
	}{
		{"connection refused", closed.URL, "network", nil},
		{"unknown host", "http://gateway.invalid/router/rest", "look up the gateway", func(tr *http.Transport) {
			tr.DialContext = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "gateway.invalid", IsNotFound: true}}
			}
		}},
		{"certificate of an unknown authority", tlsGateway.URL, "certificate is refused", nil},
		{"certificate of another host", strings.Replace(tlsGateway.URL, "127.0.0.1", "localhost", 1), "certificate is refused", trust},
		{"expired certificate", tlsGateway.URL, "certificate is refused", func(tr *http.Transport) {
			trust(tr)
			tr.TLSClientConfig.Time = func() time.Time { return time.Date(2190, 1, 1, 0, 0, 0, 0, time.UTC) }
		}},
		{"old TLS only", oldGateway.URL, "TLS", trust},
		{"no TLS there", strings.Replace(plain.URL, "http:", "https:", 1), "TLS", nil},
		{"handshake without an end", strings.Replace(silent, "http:", "https:", 1), "no connection within", func(tr *http.Transport) {
			tr.TLSHandshakeTimeout = 0
		}},
		{"handshake too slow", strings.Replace(silent, "http:", "https:", 1), "no handshake in time", func(tr *http.Transport) {
			tr.TLSHandshakeTimeout = 20 * time.Millisecond
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := 5 * time.Second
			if strings.HasPrefix(c.says, "no connection") {
				timeout = 50 * time.Millisecond
			}
			client := testClient(t, Options{Gateway: c.gateway, Timeout: timeout})
			if c.change != nil {
				c.change(client.transport)
			}
			for _, repeatable := range []bool{true, false} {
				typ := withRepeatable(typeOf(t, "top.logisticsorder.status.v1"), repeatable)
				r := client.Call(t.Context(), testAccount(), typ, Payload{})
				if r.Class != ClassTransient || r.Written || !r.NothingRan || r.Status != 0 {
					t.Errorf("repeatable %t: %+v", repeatable, r)
				}
				checkError(t, r, c.says)
			}
		})
	}
}

// TestTLS makes a call over TLS: what was written is known there too.
func TestTLS(t *testing.T) {
	gateway := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.Version < tls.VersionTLS12 || r.ProtoMajor != 1 {
			t.Errorf("TLS version %x, %s", r.TLS.Version, r.Proto)
		}
		if r.Header.Get("X") == "" {
			_, _ = io.WriteString(w, updateOK)
		}
	}))
	gateway.EnableHTTP2 = true // offered, and not taken
	gateway.StartTLS()
	defer gateway.Close()
	client := testClient(t, Options{Gateway: gateway.URL})
	client.transport.TLSClientConfig.RootCAs = gateway.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	for range 3 {
		r := client.Call(t.Context(), testAccount(), typeOf(t, "top.logisticsorder.status.v1"), Payload{})
		if r.Class != ClassOK || !r.Written {
			t.Errorf("%+v", r)
		}
	}
}

// TestTimeoutInTheQueue: a call that got no connection in time was not written.
func TestTimeoutInTheQueue(t *testing.T) {
	arrived := make(chan struct{})
	address := rawGateway(t, func(_ int, _ *net.TCPConn, r *bufio.Reader) {
		readRequest(r)
		close(arrived)
		untilClosed(r)
	})
	update := typeOf(t, "top.logisticsorder.status.v1")
	client := testClient(t, Options{Gateway: address, Concurrency: 1, Timeout: time.Minute,
		Methods: map[string]MethodOptions{"short": {Timeout: 50 * time.Millisecond}}})
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan Reply)
	go func() { first <- client.Call(ctx, testAccount(), update, Payload{}) }()
	<-arrived
	short := withRepeatable(update, false)
	short.Method = "short"
	r := client.Call(t.Context(), testAccount(), short, Payload{})
	if r.Class != ClassTransient || r.Written || !r.NothingRan {
		t.Errorf("%+v", r)
	}
	checkError(t, r, "no connection within 50ms")
	cancel()
	if r := <-first; r.Class != ClassCancelled || !r.Written {
		t.Errorf("the first call: %+v", r)
	}
}

// TestIdleConnectionsThatWereClosed: net/http repeats a request that found its connection closed, and it may, since not
// a byte of it was written. The gateway must see each call once.
func TestIdleConnectionsThatWereClosed(t *testing.T) {
	var requests atomic.Int32
	closed := make(chan struct{}, 1)
	address := rawGateway(t, func(_ int, conn *net.TCPConn, r *bufio.Reader) {
		if _, ok := readRequest(r); !ok {
			return
		}
		requests.Add(1)
		fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", replyHead, len(updateOK), updateOK)
		conn.Close() // without having said so
		closed <- struct{}{}
	})
	client := testClient(t, Options{Gateway: address})
	create := withRepeatable(typeOf(t, "top.logisticsorder.status.v1"), false)
	const calls = 50
	for i := range calls {
		r := client.Call(t.Context(), testAccount(), create, Payload{Params: []Param{{"comment", fmt.Sprint(i)}}})
		// Between the two ends of a closing connection a request may be written and lost: that is ambiguous, never
		// repeated. Or net/http sees the end first and gives up: then nothing was written, and the reply says so.
		lost := r.Class == ClassAmbiguous && r.Written && !r.NothingRan
		spared := r.Class == ClassTransient && !r.Written && r.NothingRan
		if r.Class != ClassOK && !lost && !spared {
			t.Fatalf("call %d: %+v", i, r)
		}
		if r.Class == ClassOK {
			<-closed
		}
	}
	if n := requests.Load(); n > calls {
		t.Errorf("the gateway saw %d requests for %d calls", n, calls)
	}
}

// TestWrittenRequestsAreNotRepeated: a used connection that breaks after the request was written must not lead to a
// second request.
func TestWrittenRequestsAreNotRepeated(t *testing.T) {
	for _, linger := range []int{-1, 0} { // an orderly end, a reset
		var requests atomic.Int32
		address := rawGateway(t, func(_ int, conn *net.TCPConn, r *bufio.Reader) {
			for {
				if _, ok := readRequest(r); !ok {
					return
				}
				if requests.Add(1)%2 == 0 {
					_ = conn.SetLinger(linger)
					return
				}
				fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", replyHead, len(updateOK), updateOK)
			}
		})
		client := testClient(t, Options{Gateway: address})
		for i, repeatable := range []bool{false, true} {
			typ := withRepeatable(typeOf(t, "top.logisticsorder.status.v1"), repeatable)
			if r := client.Call(t.Context(), testAccount(), typ, Payload{}); r.Class != ClassOK {
				t.Fatalf("first call: %+v", r)
			}
			r := client.Call(t.Context(), testAccount(), typ, Payload{})
			want := ClassAmbiguous
			if repeatable {
				want = ClassTransient
			}
			if r.Class != want || !r.Written || r.NothingRan {
				t.Errorf("second call: %+v", r)
			}
			if n := requests.Load(); int(n) != 2*(i+1) {
				t.Errorf("the gateway saw %d requests, want %d", n, 2*(i+1))
			}
		}
	}
}

// TestRepeatIsRefusedAfterAWrite asks the request for its body again, as net/http would.
func TestRepeatIsRefusedAfterAWrite(t *testing.T) {
	conn := &countedConn{}
	w := writing{conn: conn}
	if body, err := w.again([]byte("x")); err != nil || body == nil {
		t.Errorf("nothing was written yet: %v", err)
	}
	conn.writes.Add(1)
	if _, err := w.again([]byte("x")); err == nil {
		t.Error("a request that was written would be sent again")
	}
	if (&writing{}).written() || !(&writing{blind: true}).written() {
		t.Error("no connection means nothing written; an unknown one means the worst")
	}
	client, server := net.Pipe()
	server.Close()
	broken := &countedConn{Conn: client}
	if _, err := broken.Write([]byte("x")); err == nil || broken.writes.Load() != 0 {
		t.Errorf("a write of nothing counts: %v, %d", err, broken.writes.Load())
	}
	client.Close()
	if countedBelow(client) != nil || countedBelow(tls.Client(conn, &tls.Config{})) != conn {
		t.Error("the counted connection is not found below TLS, or one is found where none is")
	}
}

// TestConnectionsAreReused drains replies of all kinds, so that calls one after the other need one connection.
func TestConnectionsAreReused(t *testing.T) {
	var dials, n atomic.Int32
	gateway := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n.Add(1) % 4 {
		case 0:
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, strings.Repeat("<p>page</p>", 10_000))
		case 1:
			_, _ = io.WriteString(w, `{"error_response":`+strings.Repeat(" ", 100_000)+`{"code":10}}`)
		default:
			_, _ = io.WriteString(w, updateOK)
		}
	}))
	gateway.Config.ConnState = countNew(&dials)
	gateway.Start()
	defer gateway.Close()
	client := testClient(t, Options{Gateway: gateway.URL})
	update := typeOf(t, "top.logisticsorder.status.v1")
	for range 40 {
		client.Call(t.Context(), testAccount(), update, Payload{})
	}
	if got := dials.Load(); got != 1 {
		t.Errorf("%d connections for calls one after the other", got)
	}
}

// TestConnectionsStayWithinConcurrency keeps one connection a call in flight, and no more.
func TestConnectionsStayWithinConcurrency(t *testing.T) {
	const concurrency, rounds = 16, 20
	var dials atomic.Int32
	gateway := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, updateOK)
	}))
	gateway.Config.ConnState = countNew(&dials)
	gateway.Start()
	defer gateway.Close()
	client := testClient(t, Options{Gateway: gateway.URL, Concurrency: concurrency})
	update := typeOf(t, "top.logisticsorder.status.v1")
	classes := make(chan Class)
	for range concurrency {
		go func() {
			for range rounds {
				classes <- client.Call(t.Context(), testAccount(), update, Payload{}).Class
			}
		}()
	}
	for range concurrency * rounds {
		if class := <-classes; class != ClassOK {
			t.Errorf("class %s", class)
		}
	}
	if got := dials.Load(); got > concurrency {
		t.Errorf("%d connections for %d calls in flight", got, concurrency)
	}
}
