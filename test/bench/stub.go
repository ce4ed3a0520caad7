package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// stub is a gateway that answers every call with a reply that was built beforehand, after a latency. It reads HTTP by
// itself, because a benchmark's stub must not be the limit: net/http costs more than the rest of it together.
type stub struct {
	latency atomic.Int64           // nanoseconds before the reply
	hang    atomic.Pointer[string] // calls that hold this text get no reply
	calls   atomic.Int64
}

// replies by a text that only a call of the method holds.
var replies = []struct {
	mark  []byte
	reply []byte
}{
	{[]byte("logisticsorder.update"), jsonReply(`{"tmall_servicecenter_workcard_logisticsorder_update_response":{"result":{"success":true},"request_id":"13yki55kbv7ug"}}`)},
	{[]byte("delivery.order.info.send"), jsonReply(`{"tmall_ovs_delivery_order_info_send_response":{"result":{"success":true},"request_id":"13yki55kbv7ug"}}`)},
	{[]byte("work.order.sync"), jsonReply(`{"logistics_provider_work_order_sync_response":{"work_order_sync_response":{"success":true},"request_id":"13yki55kbv7ug"}}`)},
	{[]byte("work.order.issue"), reply("text/xml;charset=utf-8", `<?xml version="1.0" encoding="UTF-8"?><response><success>true</success></response>`)},
}

func jsonReply(body string) []byte { return reply("text/javascript;charset=UTF-8", body) }

func reply(contentType, body string) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
}

// runStub serves the gateway and its control until ctx ends, and prints both addresses.
func runStub(ctx context.Context, out io.Writer) error {
	s := &stub{}
	gateway, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.control(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(control) }()
	go s.accept(gateway)
	fmt.Fprintf(out, "%s %s\n", gateway.Addr(), control.Addr())
	<-ctx.Done()
	_ = gateway.Close()
	return server.Close()
}

func (s *stub) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.serve(conn)
	}
}

// serve answers the calls of one connection.
func (s *stub) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 16<<10)
	var request []byte
	for {
		request = request[:0]
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(request) == 0 || len(line) <= 2 {
				request = append(request, line...)
			}
			if len(line) <= 2 {
				break
			}
			if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(value)))
			}
		}
		head := len(request)
		request = append(request, make([]byte, length)...)
		if _, err := io.ReadFull(in, request[head:]); err != nil {
			return
		}
		s.calls.Add(1)
		if text := s.hang.Load(); text != nil && bytes.Contains(request, []byte(*text)) {
			_, _ = io.Copy(io.Discard, in) // until the caller gives up
			return
		}
		if d := s.latency.Load(); d > 0 {
			time.Sleep(time.Duration(d))
		}
		for i := range replies {
			if bytes.Contains(request, replies[i].mark) {
				if _, err := conn.Write(replies[i].reply); err != nil {
					return
				}
				break
			}
		}
	}
}

// control sets the latency and the text that hangs, and counts calls.
func (s *stub) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /set", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("latency"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.latency.Store(int64(d))
		s.hang.Store(nil)
		if text := r.FormValue("hang"); text != "" {
			s.hang.Store(&text)
		}
		s.calls.Store(0)
	})
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(s.calls.Load())
	})
	return mux
}

// remoteStub drives a stub in another process.
type remoteStub struct {
	gateway, control string
}

func (r remoteStub) set(ctx context.Context, latency time.Duration, hang string) error {
	form := strings.NewReader(fmt.Sprintf("latency=%s&hang=%s", latency, hang))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.control+"/set", form)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("stub: %s", resp.Status)
	}
	return nil
}

func (r remoteStub) calls(ctx context.Context) (n int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.control+"/calls", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return n, json.NewDecoder(resp.Body).Decode(&n)
}
