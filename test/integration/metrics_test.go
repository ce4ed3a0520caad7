package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// get asks the ops listener of the worker in this process.
func (r *relay) get(path string) (status int, body string) {
	r.t.Helper()
	return r.getURL("http://" + r.run.app.OpsAddr() + path)
}

// getURL asks for a page. The connection is not kept: it would outlive the test.
func (r *relay) getURL(url string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.ctx(), http.MethodGet, url, nil)
	r.must(err)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	r.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	r.must(err)
	return resp.StatusCode, string(text)
}

// scrape reads /metrics: the value of each series, by its text in the exposition.
func (r *relay) scrape() map[string]float64 {
	r.t.Helper()
	status, text := r.get("/metrics")
	if status != http.StatusOK {
		r.t.Fatalf("/metrics answered %d: %s", status, text)
	}
	series := map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := lines.Text()
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[i+1:], 64)
		r.must(err)
		series[strings.TrimPrefix(line[:i], "toprelay_")] = value
	}
	r.metrics = series
	return series
}

// metric asserts series of the last scrape; their names are without the prefix.
func (r *relay) metric(want map[string]float64) {
	r.t.Helper()
	for _, series := range slices.Sorted(maps.Keys(want)) {
		if got, there := r.metrics[series]; !there {
			r.t.Errorf("metrics: no series %s, want %v", series, want[series])
		} else if got != want[series] {
			r.t.Errorf("metrics: %s is %v, want %v", series, got, want[series])
		}
	}
}

// metricNow asserts series as they are now.
func (r *relay) metricNow(want map[string]float64) {
	r.t.Helper()
	r.scrape()
	r.metric(want)
}

// awaitMetric polls until a series has a value; a series that is not there counts as 0.
func (r *relay) awaitMetric(series string, want float64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s is %v", series, want), func() error {
		if got := r.scrape()[series]; got != want {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// awaitMetricAbove polls until a series has more than a value.
func (r *relay) awaitMetricAbove(series string, than float64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%s is above %v", series, than), func() error {
		if got := r.scrape()[series]; got <= than {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// missing is what /readyz says is missing: an empty text where the worker is ready.
func (r *relay) missing() string {
	r.t.Helper()
	status, text := r.get("/readyz")
	var body struct {
		Ready   bool
		Missing []struct{ Name, Error string }
	}
	r.must(json.Unmarshal([]byte(text), &body))
	if body.Ready != (status == http.StatusOK) || body.Ready != (len(body.Missing) == 0) {
		r.t.Errorf("/readyz answered %d with %s", status, text)
	}
	var all []string
	for _, m := range body.Missing {
		all = append(all, m.Name+": "+m.Error)
	}
	return strings.Join(all, "; ")
}

// awaitReady polls until /readyz says that the worker is ready.
func (r *relay) awaitReady() {
	r.t.Helper()
	r.until("the worker is ready", func() error {
		if what := r.missing(); what != "" {
			return fmt.Errorf("missing: %s", what)
		}
		return nil
	})
}

// awaitMissing polls until /readyz says that something is missing that holds text.
func (r *relay) awaitMissing(text string) {
	r.t.Helper()
	r.until(fmt.Sprintf("/readyz misses %q", text), func() error {
		if what := r.missing(); !strings.Contains(what, text) {
			return fmt.Errorf("missing: %q", what)
		}
		return nil
	})
}
