package docs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/toprelay/worker/internal/consumer"
	"github.com/toprelay/worker/internal/deadletter"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

const publishing = "docs/publishing-events.md"

// TestJSONBlocks checks that what a document calls JSON is JSON.
func TestJSONBlocks(t *testing.T) {
	for _, f := range documents(t) {
		for _, b := range f.Blocks() {
			if b.Language == "json" && !json.Valid([]byte(b.Text)) {
				t.Errorf("%s, block at line %d: is not JSON", f.Path, b.Line)
			}
		}
	}
}

// shownEvents are the events in structured mode that the documents show.
func shownEvents(t *testing.T) []event.Record {
	t.Helper()
	var records []event.Record
	for _, f := range documents(t) {
		for _, b := range f.Blocks() {
			if b.Language == "json" && strings.Contains(b.Text, `"specversion"`) {
				records = append(records, event.Record{
					Value:   []byte(b.Text),
					Headers: []event.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}},
				})
			}
		}
	}
	if len(records) < 6 {
		t.Fatalf("only %d events are shown", len(records))
	}
	return records
}

// rows returns the first cells of the table below a line of the document that holds heading.
func rows(t *testing.T, heading string) []string {
	t.Helper()
	_, rest, found := strings.Cut(document(t, publishing).Text, heading)
	if !found {
		t.Fatalf("%s has no %q", publishing, heading)
	}
	_, rest, _ = strings.Cut(rest, "|---|")
	var cells []string
	for _, line := range strings.Split(rest, "\n")[1:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		cells = append(cells, strings.TrimSpace(strings.SplitN(line, "|", 3)[1]))
	}
	return cells
}

// coded takes the code out of cells.
func coded(cells []string) []string {
	var out []string
	for _, cell := range cells {
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			out = append(out, m[1])
		}
	}
	return out
}

func same(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// TestReasonsAreTold checks that the table of reasons has all of them, in their order, and no other.
func TestReasonsAreTold(t *testing.T) {
	var want []string
	for _, r := range event.Reasons() {
		want = append(want, string(r))
	}
	if got := coded(rows(t, "\n## Dead letters\n")); !slices.Equal(got, want) {
		t.Errorf("the table has %q, the product %q", got, want)
	}
}

// TestReadmeTellsTheReasons checks that the README's table leaves none out.
func TestReadmeTellsTheReasons(t *testing.T) {
	text := document(t, "README.md").Text
	for _, reason := range event.Reasons() {
		if !regexp.MustCompile("(?m)^\\|[^|]*`" + string(reason) + "`[^|]*\\|").MatchString(text) {
			t.Errorf("no table has the reason %s", reason)
		}
	}
}

func TestOutcomesAreTold(t *testing.T) {
	var want []string
	for k := consumer.Delivered; k.String() != consumer.NotSettled.String(); k++ {
		want = append(want, k.String())
	}
	if got := coded(rows(t, "\n## What becomes of it\n")); !same(got, want) {
		t.Errorf("the table has %q, the product %q", got, want)
	}
}

// TestResultFieldsAreTold checks that the table of a result's fields has those of the result that is shown, which the
// product has written.
func TestResultFieldsAreTold(t *testing.T) {
	var shown map[string]json.RawMessage
	for _, b := range document(t, publishing).Blocks() {
		if b.Language == "json" && strings.Contains(b.Text, `"outcome"`) {
			if err := json.Unmarshal([]byte(b.Text), &shown); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	for name := range shown {
		want = append(want, name)
	}
	if got := coded(rows(t, "<!-- end result -->")); !same(got, want) {
		t.Errorf("the table has %q, a result %q", got, want)
	}
}

// TestTypesAreTold checks that every document that lists the types lists all of them with their methods.
func TestTypesAreTold(t *testing.T) {
	known, err := schemas.Load("")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"README.md", publishing} {
		text := document(t, path).Text
		for _, typ := range known.Types() {
			row := regexp.MustCompile(`(?m)^\|[^|]*` + regexp.QuoteMeta("`"+typ.Name+"`") + `[^|]*\| ` + regexp.QuoteMeta("`"+typ.Method+"`") + ` \|`)
			if !row.MatchString(text) {
				t.Errorf("%s: no table has %s with %s", path, typ.Name, typ.Method)
			}
		}
	}
}

// TestLetterHeaders checks that every header of dead letters that a document names is one that they have.
func TestLetterHeaders(t *testing.T) {
	record := &event.Record{Topic: "t", Value: []byte("v")}
	letter := deadletter.Envelope(consumer.Letter{
		Record: record, Reason: event.ReasonRejected, Pointer: "/a", Message: "a", Type: "a", Key: "a", EventID: "a", Account: "a",
		Method: "a", Code: "a", SubCode: "a", RequestID: "a", FirstFailedAt: record.Time.AddDate(1, 0, 0),
	}, "g", "v")
	headers := map[string]bool{deadletter.HeaderTruncated: true}
	for _, h := range deadletter.Reference(letter, record, 1<<20).Headers {
		headers[h.Key] = true
	}
	found := 0
	for _, m := range mentions(t, `((?:toprelay|kafka_dlt)-[a-z0-9-]*[a-z0-9])`) {
		if strings.HasPrefix(m.text, "kafka_dlt-") || headers[m.text] {
			found++
		}
		if !headers[m.text] && m.path == publishing {
			t.Errorf("%s:%d: %s is no header of a dead letter", m.path, m.line, m.text)
		}
	}
	if found == 0 {
		t.Error("no header was found in the documents")
	}
}

// TestDerivedIDIsTold checks the example of a derived id.
func TestDerivedIDIsTold(t *testing.T) {
	if id := schemas.DerivedID("/wms/hangzhou-1", "ws-p02"); !strings.Contains(document(t, publishing).Text, "`"+id+"`") {
		t.Errorf("the document does not give %s", id)
	}
	if key := schemas.JoinParts("JD", "o-001"); !strings.Contains(document(t, publishing).Text, "`"+key+"`") {
		t.Errorf("the document does not give %s", key)
	}
}
