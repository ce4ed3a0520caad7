package check

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/toprelay/worker/internal/simulator"
)

// gatewayAt answers with a Date header; now says which.
func gatewayAt(t *testing.T, status int, now func() string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodHead || r.URL.RawQuery != "" {
			t.Errorf("got %s %s: that looks like a call", r.Method, r.URL)
		}
		if date := now(); date != "" {
			w.Header().Set("Date", date)
		} else {
			w.Header()["Date"] = nil
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestGateway(t *testing.T) {
	p := newPlace(t)
	sim, err := simulator.New(simulator.Options{Apps: map[string]simulator.App{"12345678": {Secret: "test-secret-not-real"}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim.Handler())
	defer server.Close()
	want(t, look(t, p.load("top.gateway="+server.URL+"/router/rest", "qimen.outbound.gateway="+server.URL+"/router/qm"), Gateway, Qimen, Clock),
		"ok gateway "+server.URL+" answers in", "ok qimen "+server.URL,
		"warning qimen qimen.outbound.target_app_key is not set", "ok clock within 1s of the clock of")
	if calls := sim.Calls(); len(calls) != 0 {
		t.Errorf("the check made calls: %v", calls)
	}

	away := nobody(t)
	want(t, look(t, p.load("top.gateway=http://"+away), Gateway, Qimen, Clock),
		"failed/unreachable gateway connection refused … correct top.gateway", "skipped qimen", "skipped clock")
	want(t, look(t, p.load("top.gateway=https://name.invalid"), Gateway), "failed/unreachable gateway the host name cannot be resolved")
	// The time can be had from the other gateway.
	want(t, look(t, p.load("top.gateway=http://"+away, "qimen.outbound.gateway="+server.URL, "qimen.outbound.target_app_key=1"), Qimen, Clock),
		"ok qimen", "ok clock within")
	busy := gatewayAt(t, http.StatusServiceUnavailable, func() string { return "" })
	want(t, look(t, p.load("top.gateway="+busy.URL), Gateway, Clock), "warning gateway HTTP 503", "skipped clock no gateway has said the time")
	moved := gatewayAt(t, http.StatusFound, func() string { return "" })
	want(t, look(t, p.load("top.gateway="+moved.URL), Gateway), "ok gateway")
}

func TestGatewayTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	p := newPlace(t)
	want(t, look(t, p.load("top.gateway="+server.URL), Gateway), "failed/unreachable gateway TLS: the certificate is signed by no authority")
	want(t, look(t, p.load("top.gateway=https://"+plain.Listener.Addr().String()), Gateway), "failed/unreachable gateway TLS: no TLS is spoken there … correct top.gateway")
}

func TestGatewaySilent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cfg := newPlace(t).load("top.gateway=http://" + listener.Addr().String())
	got := Run(t.Context(), Options{Config: cfg, Connect: connectTo(cfg), Timeout: 50 * time.Millisecond, Only: []string{Gateway}})
	want(t, got, "failed/unreachable gateway no answer within 50ms … firewall")
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 9, 20, 10, 0, 0, 500_000_000, time.UTC) // where a Date header is off by nothing
	var ahead atomic.Int64                                         // of the gateway
	server := gatewayAt(t, http.StatusNotFound, func() string { return now.Add(time.Duration(ahead.Load())).Format(http.TimeFormat) })
	cfg := newPlace(t).load("top.gateway=" + server.URL)
	for _, test := range []struct {
		ahead time.Duration
		line  string
	}{
		{0, "ok clock within 1s"},
		{60 * time.Second, "ok clock within 1m0s"},
		{61 * time.Second, "warning clock this machine is 1m1s behind … NTP"},
		{-61 * time.Second, "warning clock this machine is 1m1s ahead of"},
		{10 * time.Minute, "warning clock 10m0s behind"},
		{601 * time.Second, "failed/fault clock 10m1s behind … calls would be refused"},
		{-24 * time.Hour, "failed/fault clock 24h0m0s ahead of"},
	} {
		ahead.Store(int64(test.ahead))
		got := Run(t.Context(), Options{Config: cfg, Connect: connectTo(cfg), Only: []string{Clock}, Now: func() time.Time { return now }})
		want(t, got, test.line)
	}
}
