package simulator

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxFaults bounds the body of PUT /_sim/faults, in bytes.
const maxFaults = 1 << 20

// control serves one of /_sim to clients that may use it.
func (s *Simulator) control(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	if !s.options.RemoteControl && !fromLoopback(r) {
		replyError(w, http.StatusForbidden, wrong("", "/_sim is open to clients on loopback only"))
		return
	}
	serve(w, r)
}

func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func (s *Simulator) controlFaults(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxFaults))
		if err != nil {
			replyError(w, http.StatusBadRequest, wrong("", "cannot be read: %v", err))
			return
		}
		faults, err := parseFaults(text, s.apis)
		if err != nil {
			replyError(w, http.StatusBadRequest, err)
			return
		}
		s.faults.replace(faults)
	case http.MethodDelete:
		s.faults.replace(nil)
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodGet, http.MethodHead:
	default:
		refuseVerb(w, "GET, PUT, DELETE")
		return
	}
	type item struct {
		faultJSON
		Hits int `json:"hits"`
	}
	list := []item{}
	for _, f := range s.faults.status() {
		list = append(list, item{f.wire(), f.Hits})
	}
	w.Header().Set("Content-Type", "application/json")
	// An error means that the client has gone.
	_ = json.MarshalWrite(w, list, jsontext.WithIndent("  "))
}

func (s *Simulator) controlCalls(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodDelete:
		s.log.clear()
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		refuseVerb(w, "GET, DELETE")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := bufio.NewWriterSize(w, 64<<10)
	records := s.log.snapshot()
	fmt.Fprint(out, "[")
	separator := "\n"
	for i := range records {
		fmt.Fprint(out, separator)
		separator = ",\n"
		if json.MarshalWrite(out, records[i].call(), json.Deterministic(true), jsontext.AllowInvalidUTF8(true)) != nil {
			return
		}
	}
	fmt.Fprint(out, "\n]\n")
	_ = out.Flush() // an error means that the client has gone
}

func refuseVerb(w http.ResponseWriter, allowed string) {
	w.Header().Set("Allow", allowed)
	replyError(w, http.StatusMethodNotAllowed, wrong("", "allowed are %s", allowed))
}

// replyError says what is wrong, and where as a JSON Pointer into what was sent.
func replyError(w http.ResponseWriter, status int, err error) {
	reply := struct {
		Error   string `json:"error"`
		Pointer string `json:"pointer,omitzero"`
	}{Error: err.Error()}
	if bad, ok := errors.AsType[*faultError](err); ok {
		reply.Error, reply.Pointer = bad.message, bad.pointer
		if bad.pointer != "" {
			reply.Error = bad.pointer + " " + bad.message
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.MarshalWrite(w, reply) // an error means that the client has gone
}
