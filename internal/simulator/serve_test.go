package simulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// serve starts a real server for what only a connection can show. Its client keeps no connection.
func (r *rig) serve() (*http.Client, string) {
	r.t.Helper()
	server := httptest.NewServer(r.Handler())
	r.t.Cleanup(server.Close)
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	r.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, server.URL
}

// over sends the draft over a connection.
func (d *draft) over(t *testing.T, client *http.Client, root string) (*http.Response, error) {
	t.Helper()
	made := d.request()
	request, err := http.NewRequestWithContext(t.Context(), made.Method, root+made.URL.String(), made.Body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = made.Header
	return client.Do(request)
}

func TestCut(t *testing.T) {
	for cut, accepted := range map[Cut]bool{CutBefore: false, CutAfter: true} {
		t.Run(string(cut), func(t *testing.T) {
			r := newRig(t, nil)
			client, root := r.serve()
			r.setFaults(Fault{Times: 1, Action: Action{Cut: cut}})
			response, err := create(nil).over(t, client, root)
			if err == nil {
				response.Body.Close()
				t.Fatalf("status %d, want a cut connection", response.StatusCode)
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%v, want EOF", err)
			}
			call := r.lastCall()
			if call.Accepted != accepted || call.Method != methodCreate || (call.Reply != "") != accepted {
				t.Errorf("%+v", call)
			}
			// The order is there after the one, and not after the other.
			response, err = create(nil).over(t, client, root)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if r.lastCall().Repeat != accepted {
				t.Errorf("the next call is a repeat: %v", r.lastCall().Repeat)
			}
		})
	}
}

func TestGarbage(t *testing.T) {
	const whole = `{"tmall_servicecenter_spserviceorder_create_response":{"is_success":true,"service_order_id":9007199254740993,"workcard_ids":`
	for _, test := range []struct {
		garbage  Garbage
		accepted bool
		status   int
		start    string
		err      error
	}{
		{GarbageHTML, false, 200, "<!DOCTYPE html>", nil},
		{GarbageEmpty, false, 200, "", nil},
		{GarbageTruncated, true, 200, whole[:80], io.ErrUnexpectedEOF},
		{GarbageEndless, true, 200, whole, nil},
	} {
		t.Run(string(test.garbage), func(t *testing.T) {
			r := newRig(t, nil)
			client, root := r.serve()
			r.setFaults(Fault{Action: Action{Garbage: test.garbage}})
			response, err := create(nil).over(t, client, root)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			const limit = 1 << 20
			body, err := io.ReadAll(io.LimitReader(response.Body, limit))
			if response.StatusCode != test.status || !strings.HasPrefix(string(body), test.start) || !errors.Is(err, test.err) {
				t.Errorf("%d %.200s %v", response.StatusCode, body, err)
			}
			switch test.garbage {
			case GarbageHTML:
			case GarbageEndless:
				if len(body) != limit || strings.TrimSpace(string(body[len(body)-100:])) != "" {
					t.Errorf("%d bytes, want more and more blanks", len(body))
				}
			case GarbageTruncated:
				if response.ContentLength <= int64(len(body)) {
					t.Errorf("Content-Length %d, body %d", response.ContentLength, len(body))
				}
			case GarbageEmpty:
				if len(body) != 0 {
					t.Errorf("%s", body)
				}
			}
			if r.lastCall().Accepted != test.accepted {
				t.Errorf("accepted %v", r.lastCall().Accepted)
			}
		})
	}
}

// The effect and the log do not wait for the reply; delays add up, also to another fault.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *Options) { o.Latency = time.Second })
		r.setFaults(Fault{Action: Action{Delay: 2 * time.Second}}, Fault{Action: Action{Delay: 300 * time.Millisecond}}, Fault{Action: Action{Status: 503}})
		start := time.Now()
		response, _ := r.send(update(nil))
		if took := time.Since(start); took != 3300*time.Millisecond || response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%d after %v", response.StatusCode, took)
		}
		if hits := r.Faults(); hits[0].Hits != 1 || hits[1].Hits != 1 || hits[2].Hits != 1 {
			t.Errorf("%+v", hits)
		}

		r.setFaults(Fault{Action: Action{Delay: time.Minute}})
		replied := make(chan struct{})
		go func() { r.send(create(nil)); close(replied) }()
		if err := r.WaitAccepted(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		select {
		case <-replied:
			t.Error("the reply did not wait")
		default:
		}
		if !r.lastCall().Accepted {
			t.Error("the effect waits for the reply")
		}
		<-replied
	})
}

// Who goes away while the reply is late leaves nothing behind that waits.
func TestClientGoesAwayDuringADelay(t *testing.T) {
	r := newRig(t, nil)
	client, root := r.serve()
	r.setFaults(Fault{Action: Action{Delay: time.Hour}})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		made := update(nil).request()
		request, err := http.NewRequestWithContext(ctx, made.Method, root+made.URL.String(), made.Body)
		if err == nil {
			request.Header = made.Header
			var response *http.Response
			if response, err = client.Do(request); err == nil {
				response.Body.Close()
			}
		}
		gone <- err
	}()
	if err := r.WaitCalls(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A request that breaks off is no call.
func TestBrokenRequest(t *testing.T) {
	r := newRig(t, nil)
	_, root := r.serve()
	connection, err := net.Dial("tcp", strings.TrimPrefix(root, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(connection, "POST /router/rest?method=x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nlogistics")
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if reply, err := bufio.NewReader(connection).ReadString('\n'); err == nil {
		t.Errorf("reply %q", reply)
	}
	connection.Close()
	if calls := r.Calls(); len(calls) != 0 {
		t.Errorf("%+v", calls)
	}
}

// A chunked body has no length in advance.
func TestChunkedBody(t *testing.T) {
	r := newRig(t, nil)
	for size, want := range map[int]int{100: 200, maxBody + 1: 413} {
		request := update(nil).request()
		text, err := io.ReadAll(request.Body)
		if err != nil {
			t.Fatal(err)
		}
		request.Body = io.NopCloser(strings.NewReader(string(text) + strings.Repeat("&", size)))
		request.ContentLength = -1
		w := httptest.NewRecorder()
		r.Handler().ServeHTTP(w, request)
		if w.Code != want {
			t.Errorf("%d bytes more: %d, want %d", size, w.Code, want)
		}
	}
}
