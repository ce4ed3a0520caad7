package check

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/toprelay/worker/internal/ops"
)

// worker serves the real /readyz.
func workerWith(t *testing.T, err error) string {
	t.Helper()
	s := httptest.NewServer(ops.Handler(ops.Options{
		Gatherer: prometheus.NewRegistry(), Ready: []ops.Check{{Name: "group", Err: func() error { return err }}},
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestRunning(t *testing.T) {
	for _, path := range []string{"", "/", "/readyz"} {
		said, err := Running(t.Context(), workerWith(t, nil)+path, patience)
		if err != nil || !said.Ready || len(said.Missing) != 0 {
			t.Errorf("ready, at %q: got %+v, %v", path, said, err)
		}
	}
	said, err := Running(t.Context(), workerWith(t, errors.New("no assignment yet")), patience)
	if err != nil || said.Ready || len(said.Missing) != 1 || said.Missing[0] != (Missing{"group", "no assignment yet"}) {
		t.Errorf("not ready: got %+v, %v", said, err)
	}
	if _, err := Running(t.Context(), "http://"+nobody(t), patience); !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody: got %v", err)
	}
}

func TestRunningIsNoWorker(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		body   string
	}{
		"another program": {200, "<html>"},
		"not found":       {404, `{"ready":true}`},
		"a contradiction": {503, `{"ready":true}`},
		"no JSON object":  {503, "upstream is away"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			_, _ = w.Write([]byte(test.body))
		}))
		said, err := Running(t.Context(), s.URL, patience)
		if err == nil || errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: got %+v, %v", name, said, err)
		}
		s.Close()
	}
	for _, base := range []string{"127.0.0.1:8080", "ftp://127.0.0.1", "http://", "://"} {
		if _, err := Running(t.Context(), base, patience); err == nil || errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: got %v", base, err)
		}
	}
}

func TestRunningURL(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "http://127.0.0.1:8080", "0.0.0.0:81": "http://127.0.0.1:81", ":82": "http://127.0.0.1:82",
		"[::]:83": "http://[::1]:83", "10.1.2.3:84": "http://10.1.2.3:84", "127.0.0.1:0": "", "": "",
	} {
		cfg := newPlace(t).load()
		cfg.Ops.Listen = listen
		if got := RunningURL(cfg); got != want {
			t.Errorf("%q: got %q, want %q", listen, got, want)
		}
	}
}
