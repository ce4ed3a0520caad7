package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/network"
)

// maxReadiness bounds the reply of /readyz, in bytes.
const maxReadiness = 1 << 20

// ErrNoAnswer is the error of Running where nobody answers.
var ErrNoAnswer = errors.New("no worker answers")

// Readiness is what a running worker says of itself at /readyz.
type Readiness struct {
	Ready   bool      `json:"ready"`
	Missing []Missing `json:"missing"`
}

// Missing is one thing that keeps a worker from being ready.
type Missing struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// RunningURL is where the worker of the configuration answers on this machine; empty where that cannot be told.
func RunningURL(c *config.Config) string {
	host, port, err := net.SplitHostPort(c.Ops.Listen)
	if err != nil || port == "0" {
		return ""
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Running asks the worker at base, such as http://127.0.0.1:8080, whether it is ready.
func Running(ctx context.Context, base string, timeout time.Duration) (Readiness, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return Readiness{}, errors.New("the URL of the worker must be such as http://127.0.0.1:8080")
	}
	if !strings.HasSuffix(u.Path, "/readyz") {
		u = u.JoinPath("readyz")
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Readiness{}, err
	}
	// Not over a proxy: the worker is near, and its listener is nobody else's matter.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return Readiness{}, fmt.Errorf("%w at %s: %s", ErrNoAnswer, base, network.Explain(withoutURL(err), timeout))
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReadiness))
	if err != nil {
		return Readiness{}, fmt.Errorf("%w at %s: %s", ErrNoAnswer, base, network.Explain(err, timeout))
	}
	var said Readiness
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable || json.Unmarshal(text, &said) != nil {
		return Readiness{}, fmt.Errorf("what answers at %s is no worker (HTTP %d): correct --url", base, response.StatusCode)
	}
	if said.Ready != (response.StatusCode == http.StatusOK) {
		return Readiness{}, fmt.Errorf("what answers at %s contradicts itself (HTTP %d): is it the worker?", base, response.StatusCode)
	}
	return said, nil
}
