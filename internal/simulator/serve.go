package simulator

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serve answers one call: read, decide, log, wait, reply. The log comes before the reply, so that whoever has the
// reply finds the call in the log.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, entrance gateway) {
	c, err := s.readCall(r, entrance)
	if errors.Is(err, errBodyTooLarge) {
		w.Header().Set("Connection", "close")
		http.Error(w, "<html><body>413 Request Entity Too Large</body></html>", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away: there is nobody to answer
	}
	a := s.answer(c)
	s.log.add(c.record(&a))
	if !sleep(r, a.delay) {
		panic(http.ErrAbortHandler)
	}
	s.reply(w, r, &a)
}

// answer is what a call gets.
type answer struct {
	status      int
	contentType []string
	body        []byte
	manner      manner
	delay       time.Duration
	accepted    bool // the effect happened
	repeat      bool // it had happened before
}

// manner is how a reply goes out.
type manner uint8

const (
	mannerWhole manner = iota
	mannerCut
	mannerTruncated
	mannerEndless
)

var (
	typeXML  = []string{"text/xml;charset=UTF-8"}
	typeJSON = []string{"text/javascript;charset=UTF-8"}
	typeHTML = []string{"text/html;charset=UTF-8"}
	server   = []string{"Tengine"}
	gzipped  = []string{"gzip"}
	vary     = []string{"Accept-Encoding"}
)

// answer decides. The effect, if any, happens here.
func (s *Simulator) answer(c *call) answer {
	delay, front := s.faults.act(c, placeFront)
	var a answer
	if front != nil {
		a = inFront(front)
	} else {
		a = s.behind(c)
	}
	a.delay = delay + s.options.Latency
	return a
}

// inFront is the answer of something before the platform.
func inFront(f *Action) answer {
	switch {
	case f.Cut == CutBefore:
		return answer{manner: mannerCut}
	case f.Garbage == GarbageHTML:
		return answer{status: http.StatusOK, contentType: typeHTML, body: []byte(garbagePage)}
	case f.Garbage == GarbageEmpty:
		return answer{status: http.StatusOK, contentType: typeJSON}
	}
	contentType := typeHTML
	if strings.HasPrefix(f.Body, "{") {
		contentType = typeJSON
	}
	return answer{status: f.Status, contentType: contentType, body: []byte(f.Body)}
}

const garbagePage = "<!DOCTYPE html>\n<html><head><title>Login</title></head><body><h1>Please log in</h1></body></html>\n"

// behind is the platform's answer.
func (s *Simulator) behind(c *call) answer {
	a := answer{status: http.StatusOK, contentType: typeXML}
	if c.wantsJSON() {
		a.contentType = typeJSON
	}
	requestID := s.requestIDs.next()
	if refusal := s.examine(c); refusal != nil {
		a.body = c.encode("error_response", refusal.body(requestID), true)
		return a
	}
	_, fault := s.faults.act(c, placeBackEnd)
	r := result{success: true}
	a.accepted = fault == nil || fault.lets(c.api.success)
	if a.accepted && c.api.effect != nil {
		r.fields, a.repeat = c.api.effect(&s.backEnd, c)
	}
	if fault != nil {
		r = r.with(c.api.success, fault.Business)
		a.manner = fault.manner()
	}
	a.body = c.encode(c.api.root, c.api.body(r, requestID), false)
	return a
}

// lets tells whether the effect happens under a fault of the back end.
func (a *Action) lets(success string) bool {
	value, set := a.Business[success]
	return !set || value == true
}

func (a *Action) manner() manner {
	switch {
	case a.Cut == CutAfter:
		return mannerCut
	case a.Garbage == GarbageTruncated:
		return mannerTruncated
	case a.Garbage == GarbageEndless:
		return mannerEndless
	}
	return mannerWhole
}

// record is the call for the log.
func (c *call) record(a *answer) record {
	return record{
		Call: Call{
			Time: c.time, Method: c.system.method, AppKey: c.system.appKey, Body: c.body, Key: c.arguments.key,
			Accepted: a.accepted, Repeat: a.repeat,
		},
		query: c.query, form: c.form, reply: string(a.body),
	}
}

// sleep waits for d, and is false when the client has gone before.
func sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// reply sends the answer. It panics with http.ErrAbortHandler to cut the connection.
func (s *Simulator) reply(w http.ResponseWriter, r *http.Request, a *answer) {
	header := w.Header()
	header["Server"] = server
	header["Content-Type"] = a.contentType
	body := a.body
	switch a.manner {
	case mannerWhole:
	case mannerCut:
		panic(http.ErrAbortHandler)
	case mannerTruncated:
		header.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(a.status)
		_, _ = w.Write(body[:len(body)/2]) // here and below an error means that the client has gone
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case mannerEndless:
		writeEndless(w, r, body)
		panic(http.ErrAbortHandler)
	}
	header["Vary"] = vary
	if a.status == http.StatusOK && len(body) > 0 && !s.options.NoGzip && acceptsGzip(r) {
		body = compress(body)
		header["Content-Encoding"] = gzipped
	}
	if isRedirect(a.status) {
		header.Set("Location", "/_sim/redirected")
	}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(a.status)
	if len(body) > 0 {
		_, _ = w.Write(body)
	}
}

// writeEndless sends the reply but for its last byte, then blanks until the client goes away.
func writeEndless(w http.ResponseWriter, r *http.Request, body []byte) {
	blanks := make([]byte, 16<<10)
	for i := range blanks {
		blanks[i] = ' '
	}
	_, err := w.Write(body[:len(body)-1])
	for err == nil && r.Context().Err() == nil {
		_, err = w.Write(blanks)
	}
}

func isRedirect(status int) bool {
	switch status {
	case 301, 302, 303, 307, 308:
		return true
	}
	return false
}

func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header["Accept-Encoding"] {
		if strings.Contains(value, "gzip") {
			return true
		}
	}
	return false
}
