package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/toprelay/worker/internal/config"
)

// keptProblems is how many problems -o json lists. All of them go to stderr.
const keptProblems = 1000

// publishReport is what became of a file; with -o json it is printed as it is.
type publishReport struct {
	File      string         `json:"file"`
	DryRun    bool           `json:"dry_run"`
	Lines     int            `json:"lines"`
	Published int            `json:"published"` // with dry_run: that would be
	Bad       int            `json:"bad"`
	Failed    int            `json:"failed"` // Kafka did not take them, or nobody knows
	Topics    map[string]int `json:"topics"` // published, by topic
	Problems  []lineProblem  `json:"problems"`

	firstFailed int
}

func newPublishReport(file string, dryRun bool) *publishReport {
	return &publishReport{File: file, DryRun: dryRun, Topics: map[string]int{}, Problems: []lineProblem{}}
}

func (r *publishReport) published(topic string) {
	r.Published++
	r.Topics[topic]++
}

func (r *publishReport) bad(p lineProblem) {
	r.Bad++
	if len(r.Problems) < keptProblems {
		r.Problems = append(r.Problems, p)
	}
}

func (r *publishReport) failed(line int) {
	if r.Failed++; r.firstFailed == 0 || line < r.firstFailed {
		r.firstFailed = line
	}
}

func (r *publishReport) write(c *cli) error {
	if c.output == "json" {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	if r.DryRun {
		fmt.Fprintln(table, "TOPIC\tWOULD BE PUBLISHED")
	} else {
		fmt.Fprintln(table, "TOPIC\tPUBLISHED")
	}
	for _, topic := range slices.Sorted(maps.Keys(r.Topics)) {
		fmt.Fprintf(table, "%s\t%d\n", topic, r.Topics[topic])
	}
	return table.Flush()
}

// err is how the command ends. stopped is why it did not come to the end of the file.
func (r *publishReport) err(cfg *config.Config, stopped error) error {
	done := "written"
	if r.DryRun {
		done = "good"
	}
	switch {
	case stopped != nil:
		if r.firstFailed > 0 {
			stopped = fmt.Errorf("stopped: %d lines from %s:%d on were not written, the lines after them not tried: %w",
				r.Failed, r.File, r.firstFailed, stopped)
		}
		if r.Published > 0 {
			return withCode(exitPartly, fmt.Errorf("%d lines were written: %w", r.Published, stopped))
		}
		return kafkaError(cfg, stopped)
	case r.Lines == 0:
		return fmt.Errorf("%s holds no lines", r.File)
	case r.Published == 0:
		return fmt.Errorf("none of %d lines was %s", r.Lines, done)
	case r.Published < r.Lines:
		return withCode(exitPartly, fmt.Errorf("%d of %d lines were not %s", r.Lines-r.Published, r.Lines, done))
	default:
		return nil
	}
}

// progress is the line that says how far the command is, on a terminal only.
type progress struct {
	w     io.Writer // nil: no terminal
	began time.Time
	next  time.Time
	shown bool
}

const progressInterval = 200 * time.Millisecond

func newProgress(stderr io.Writer) *progress {
	p := &progress{began: time.Now()}
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.w = f
	}
	return p
}

func (p *progress) show(r *publishReport) {
	now := time.Now()
	if p.w == nil || now.Before(p.next) {
		return
	}
	p.next, p.shown = now.Add(progressInterval), true
	fmt.Fprintf(p.w, "\r\x1b[K%d lines, %d written, %d bad, %.0f a second", r.Lines, r.Published, r.Bad, float64(r.Lines)/now.Sub(p.began).Seconds())
}

// clear makes room for another text.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) end() { p.clear() }
