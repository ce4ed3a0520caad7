package top

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// rawGateway serves connections by hand. serve gets each connection with its number, from 1; the connection is closed
// when it returns.
func rawGateway(t *testing.T, serve func(n int, conn *net.TCPConn, r *bufio.Reader)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for n := 1; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				serve(n, conn.(*net.TCPConn), bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return "http://" + listener.Addr().String()
}

// readRequest reads one request to its end; false where none came.
func readRequest(r *bufio.Reader) (body string, ok bool) {
	request, err := http.ReadRequest(r)
	if err != nil {
		return "", false
	}
	text, err := io.ReadAll(request.Body)
	return string(text), err == nil
}

func countNew(n *atomic.Int32) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			n.Add(1)
		}
	}
}

// untilClosed waits until the client has closed the connection.
func untilClosed(r *bufio.Reader) {
	_, _ = io.Copy(io.Discard, r)
}

const replyHead = "HTTP/1.1 200 OK\r\nContent-Type: text/javascript;charset=UTF-8\r\n"

// TestReplyFaults: the request was written and no definite answer came.
func TestReplyFaults(t *testing.T) {
	endless := func(first, chunk string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, replyHead+"\r\n"+first)
			for {
				if _, err := io.WriteString(conn, strings.Repeat(chunk, 1024)); err != nil {
					return
				}
			}
		}
	}
	say := func(text string) func(*net.TCPConn) {
		return func(conn *net.TCPConn) { _, _ = io.WriteString(conn, text) }
	}
	for _, c := range []struct {
		name   string
		answer func(*net.TCPConn)
		says   string // in the error
		hold   bool   // the gateway keeps the connection open
	}{
		{"cut after the request", say(""), "closed the connection", false},
		{"reset after the request", func(conn *net.TCPConn) { _ = conn.SetLinger(0) }, "network", false},
		{"no answer", say(""), "no reply within", true},
		{"half a status line", say("HTTP/1.1 20"), "no HTTP", false},
		{"half a header", say("HTTP/1.1 200 OK\r\nContent-"), "no HTTP", false},
		{"headers only", say(replyHead + "Content-Length: 10\r\n\r\n"), "cut off", false},
		{"headers only, held", say(replyHead + "Content-Length: 10\r\n\r\n"), "no reply within", true},
		{"content length too long", say(replyHead + "Content-Length: 1000\r\n\r\n" + updateOK), "cut off", false},
		{"content length too long, held", say(replyHead + "Content-Length: 1000\r\n\r\n" + updateOK), "no reply within", true},
		{"content length too short", say(replyHead + "Content-Length: 20\r\n\r\n" + updateOK), "not JSON", false},
		{"content length is no number", say(replyHead + "Content-Length: ten\r\n\r\n" + updateOK), "no HTTP", false},
		{"broken chunks", say(replyHead + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), "no HTTP", false},
		{"chunks without an end", say(replyHead + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":\r\n"), "cut off", false},
		{"broken gzip", say(replyHead + "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\nnot gzip at "), "broken gzip", false},
		{"no HTTP at all", say("SSH-2.0-OpenSSH_9.2\r\n"), "no HTTP", false},
		{"switching protocols", say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"), "no meaning", true},
		{"HTTP 404, cut", say("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{"), "cut off", false},
		{"HTTP 502, cut", say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 100\r\n\r\n<"), "HTTP status 502", false},
		{"page", say(replyHead + "\r\n<html>login</html>"), "not JSON", false},
		{"empty", say(replyHead + "Content-Length: 0\r\n\r\n"), "empty", false},
		{"truncated", say(replyHead + "\r\n" + updateOK[:30]), "not JSON", false},
		{"endless garbage", endless("", "x"), "neither JSON nor XML", false},
		{"endless page", endless("<html>", "<p>"), "over 8 MiB", false},
		{"endless JSON", endless(`{"a":"`, "xxxxxxxxxxxxxxxx"), "over 8 MiB", false},
		{"endless header", func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: ")
			for {
				if _, err := io.WriteString(conn, strings.Repeat("x", 1024)); err != nil {
					return
				}
			}
		}, "no HTTP", false},
		{"a byte now and then", func(conn *net.TCPConn) {
			_, _ = io.WriteString(conn, replyHead+"\r\n")
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := conn.Write([]byte(" ")); err != nil {
					return
				}
			}
		}, "no reply within", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			address := rawGateway(t, func(_ int, conn *net.TCPConn, r *bufio.Reader) {
				if _, ok := readRequest(r); !ok {
					return
				}
				requests.Add(1)
				c.answer(conn)
				if c.hold {
					untilClosed(r)
				}
			})
			timeout := 5 * time.Second
			if strings.HasPrefix(c.says, "no reply within") {
				timeout = 300 * time.Millisecond
			}
			for i, repeatable := range []bool{true, false} {
				// A client of its own: it must not find the connection that the gateway is about to close.
				client := testClient(t, Options{Gateway: address, Timeout: timeout})
				typ := withRepeatable(typeOf(t, "top.logisticsorder.status.v1"), repeatable)
				r := client.Call(t.Context(), testAccount(), typ, Payload{Params: []Param{{"comment", "x"}}})
				want := ClassTransient
				if !repeatable {
					want = ClassAmbiguous
				}
				if r.Class != want || !r.Written || r.NothingRan {
					t.Errorf("repeatable %t: %+v, want class %s", repeatable, r, want)
				}
				if r.Duration > timeout+2*time.Second {
					t.Errorf("it took %s with a time-out of %s", r.Duration, timeout)
				}
				checkError(t, r, c.says)
				if n := requests.Load(); int(n) != i+1 {
					t.Errorf("the gateway saw %d requests after %d calls", n, i+1)
				}
			}
		})
	}
}

// checkError demands an error that says what happened and shows neither URL nor secrets.
func checkError(t *testing.T, r Reply, says string) {
	t.Helper()
	if r.Err == nil || !strings.Contains(r.Err.Error(), says) {
		t.Fatalf("error %v, want one that says %q", r.Err, says)
	}
	text := fmt.Sprintf("%v %+v %s", r.Err, r.Err, r.Message)
	for _, secret := range []string{testSecret, testSession, "sign=", "app_key", "http://"} {
		if strings.Contains(text, secret) {
			t.Errorf("the error shows %q: %s", secret, text)
		}
	}
}

// TestErrorsNeverEcho: a gateway that sends back what it got must not get secrets into an error.
func TestErrorsNeverEcho(t *testing.T) {
	for name, answer := range map[string]func(body string) string{
		"status line":    func(b string) string { return b + "\r\n\r\n" },
		"status":         func(b string) string { return "HTTP/1.1 2x0 " + b + "\r\n\r\n" },
		"header":         func(b string) string { return "HTTP/1.1 200 OK\r\n" + b + "\r\n\r\n" },
		"header name":    func(b string) string { return "HTTP/1.1 200 OK\r\n" + b + " : x\r\n\r\n" },
		"content length": func(b string) string { return "HTTP/1.1 200 OK\r\nContent-Length: " + b + "\r\n\r\n" },
		"encoding":       func(b string) string { return "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + b + "\r\n\r\n" },
		"body":           func(b string) string { return "HTTP/1.1 200 OK\r\n\r\n" + b },
		"redirect": func(b string) string {
			return "HTTP/1.1 302 Found\r\nLocation: http://x/?" + b + "\r\nContent-Length: 0\r\n\r\n"
		},
		"error code": func(b string) string { return "HTTP/1.1 500 " + b + "\r\nContent-Length: 0\r\n\r\n" },
	} {
		t.Run(name, func(t *testing.T) {
			address := rawGateway(t, func(_ int, conn *net.TCPConn, r *bufio.Reader) {
				if body, ok := readRequest(r); ok {
					_, _ = io.WriteString(conn, answer(body))
				}
			})
			client := testClient(t, Options{Gateway: address, Timeout: 5 * time.Second})
			checkError(t, client.Call(t.Context(), testAccount(), typeOf(t, "top.logisticsorder.status.v1"), Payload{}), "")
		})
	}
	// The last gate: an error that is thought to be harmless and is not.
	for _, secret := range []string{testSecret, testSession} {
		client := testClient(t, Options{Gateway: "http://gateway.example/"})
		client.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: errors.New(secret)}
		}
		checkError(t, client.Call(t.Context(), testAccount(), typeOf(t, "top.logisticsorder.status.v1"), Payload{}), "not shown")
	}
}

// TestManyFaultsAtOnce runs calls of all outcomes side by side, for the race detector.
func TestManyFaultsAtOnce(t *testing.T) {
	address := rawGateway(t, func(n int, conn *net.TCPConn, r *bufio.Reader) {
		for i := 0; ; i++ {
			if _, ok := readRequest(r); !ok || (n+i)%7 == 0 {
				return
			}
			fmt.Fprintf(conn, "%sContent-Length: %d\r\n\r\n%s", replyHead, len(createOK), createOK)
		}
	})
	client := testClient(t, Options{Gateway: address, Concurrency: 8})
	create := typeOf(t, "top.serviceorder.create.v1")
	ids := make(chan string)
	for range 8 {
		go func() {
			for range 50 {
				r := client.Call(t.Context(), testAccount(), create, Payload{Params: []Param{{"memo", "x"}}})
				switch {
				case r.Class == ClassOK:
					ids <- fmt.Sprint(r.Fields["workcard_ids"])
				case r.Class == ClassAmbiguous && r.Written, r.Class == ClassTransient && r.NothingRan:
					ids <- ""
				default:
					ids <- fmt.Sprintf("%+v", r)
				}
			}
		}()
	}
	for range 8 * 50 {
		if id := <-ids; id != "" && id != "[9007199254740995 2]" {
			t.Errorf("reply %s", id)
		}
	}
}
