package simulator

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkCall is what one call costs beside the HTTP server, with the log on.
func BenchmarkCall(b *testing.B) {
	loaded, err := catalogue()
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name   string
		draft  *draft
		faults []Fault
		gzip   bool
	}{
		{"update", update(nil), nil, false}, {"update gzip", update(nil), nil, true}, {"ovs", ovs(nil), nil, false}, {"sync", syncOrder(nil), nil, false},
		{"create", create(nil), nil, false}, {"issue", issue(issueBody), nil, false},
		{"update with a fault for another key", update(nil), []Fault{{Match: Match{Key: "1"}, Action: Action{Code: 10}}}, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s, err := New(Options{
				Apps: map[string]App{testKey: {Secret: testSecret, Sessions: []string{testSession}}}, Catalogue: loaded,
				Now: func() time.Time { return testNow },
			})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.SetFaults(bench.faults); err != nil {
				b.Fatal(err)
			}
			made := bench.draft.request()
			if bench.gzip {
				made.Header.Set("Accept-Encoding", "gzip")
			}
			body, err := io.ReadAll(made.Body)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				r := *made
				r.Body = io.NopCloser(strings.NewReader(string(body)))
				s.Handler().ServeHTTP(&discard{http.Header{}}, &r)
			}
			if calls := s.Calls(); !calls[0].Accepted {
				b.Fatal(calls[0].Reply)
			}
		})
	}
}
