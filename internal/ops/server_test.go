package ops

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func registry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "toprelay_test_total", Help: "Test."})
	c.Add(3)
	reg.MustRegister(c)
	return reg
}

func TestEndpoints(t *testing.T) {
	tokens, err := ParseTokens("# ops\nprometheus 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\n")
	if err != nil {
		t.Fatal(err)
	}
	well := func() error { return nil }
	ill := func() error { return errors.New("no answer from 127.0.0.1:9092") }
	tests := []struct {
		name, path, token string
		options           Options
		status            int
		body              string
	}{
		{"metrics", "/metrics", "", Options{}, 200, "toprelay_test_total 3"},
		{"live", "/livez", "", Options{Live: well}, 200, `{"live":true}`},
		{"not live", "/livez", "", Options{Live: ill}, 503, "no answer"},
		{"ready", "/readyz", "", Options{Ready: []Check{{"group", well}, {"store", well}}}, 200, `{"missing":[],"ready":true}`},
		{"not ready", "/readyz", "", Options{Ready: []Check{{"group", ill}, {"store", well}}}, 503,
			`{"missing":[{"name":"group","error":"no answer from 127.0.0.1:9092"}],"ready":false}`},
		{"protected, no token", "/metrics", "", Options{Tokens: tokens, ProtectMetrics: true}, 401, "needs a token"},
		{"protected, wrong token", "/metrics", "tset", Options{Tokens: tokens, ProtectMetrics: true}, 401, "needs a token"},
		{"protected, right token", "/metrics", "test", Options{Tokens: tokens, ProtectMetrics: true}, 200, "toprelay_test_total 3"},
		{"metrics stay open", "/metrics", "", Options{Tokens: tokens}, 200, "toprelay_test_total 3"},
		{"status", "/api/v1/status", "", Options{}, 200, `{"state":"consuming"}`},
		{"status, no token", "/api/v1/status", "", Options{Tokens: tokens}, 401, "needs a token"},
		{"status, right token", "/api/v1/status", "test", Options{Tokens: tokens}, 200, `{"state":"consuming"}`},
		{"health stays open", "/livez", "", Options{Tokens: tokens, Live: well}, 200, "true"},
		{"index", "/", "", Options{}, 200, "/readyz"},
		{"unknown", "/nothing", "", Options{}, 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Gatherer = registry()
			tt.options.Status = func() any { return map[string]string{"state": "consuming"} }
			r := httptest.NewRequest(http.MethodGet, tt.path, nil)
			if tt.token != "" {
				r.Header.Set("Authorization", "Bearer "+tt.token)
			}
			w := httptest.NewRecorder()
			Handler(tt.options).ServeHTTP(w, r)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("got %d %s, want %d %s", w.Code, w.Body, tt.status, tt.body)
			}
		})
	}
}

func TestServer(t *testing.T) {
	s, err := Start(Options{Listen: "127.0.0.1:0", Gatherer: registry()})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + s.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if !strings.Contains(string(body), "toprelay_test_total 3") {
		t.Errorf("got %s", body)
	}
	if _, err := Start(Options{Listen: s.Addr(), Gatherer: registry()}); err == nil || !strings.Contains(err.Error(), "ops.listen") {
		t.Errorf("a taken address: got %v, want an error that names ops.listen", err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestParseTokensRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"empty":    "# nothing\n",
		"no hash":  "prometheus\n",
		"short":    "prometheus abcd\n",
		"no hex":   "prometheus " + strings.Repeat("x", 64) + "\n",
		"too many": "a b c\n",
	} {
		if _, err := ParseTokens(text); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "xxxx") {
			t.Errorf("%s: the error shows the hash: %v", name, err)
		}
	}
}
