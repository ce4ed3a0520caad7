package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"
)

// maxDocument bounds one line, and a document over several lines, in bytes. Events are far smaller.
const maxDocument = 64 << 20

func newSchemasValidateCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FILE|-",
		Short: "Check events as the worker would, without sending them",
		Long: `Checks structured CloudEvents as the worker would: size, envelope, type and data. The input has one event on each
line (JSON lines), or is one JSON document. It may be in the form of 'worker publish': with the members topic, key and
headers, and without specversion, which is then 1.0.

Account and expiry are not checked, because they depend on where and when the event arrives; 'worker publish --dry-run'
checks both.

For each bad event it prints file:line, the dead-letter reason, the JSON Pointer of the field and what is wrong.
Exit codes: 0 all events are good, 3 some are bad, 1 all are bad or there is none.`,
		Example: `  worker schemas validate events.jsonl
  cat event.json | worker schemas validate -
  worker schemas validate events.jsonl -o json | jq '.problems[].pointer'`,
		Args: cobra.ExactArgs(1),
	}
	flags := addConfigFlags(c, cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		cfg, known, err := flags.loadCatalogue()
		if err != nil {
			return err
		}
		name, input, err := openEvents(c, args[0])
		if err != nil {
			return err
		}
		defer input.Close()
		v := validator{judge: newEventJudge(cfg, known), report: report{File: name, Problems: []lineProblem{}}}
		if err := v.read(input); err != nil {
			return fmt.Errorf("reading the events of %s: %w", name, err)
		}
		if err := v.report.write(c); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return v.report.err()
	}
	return cmd
}

// report is what validate found; with -o json it is printed as it is.
type report struct {
	File     string        `json:"file"`
	Events   int           `json:"events"`
	Good     int           `json:"good"`
	Bad      int           `json:"bad"`
	Problems []lineProblem `json:"problems"` // one for each bad event
}

func (r *report) write(c *cli) error {
	if c.output == "json" {
		e := json.NewEncoder(c.stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, d := range r.Problems {
		pointer := d.Pointer
		if pointer == "" {
			pointer = "-"
		}
		fmt.Fprintf(w, "%s:%d:\t%s\t%s\t%s\n", r.File, d.Line, d.Reason, pointer, d.Message)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.stderr, "%d events: %d good, %d bad\n", r.Events, r.Good, r.Bad)
	return err
}

func (r *report) err() error {
	switch {
	case r.Events == 0:
		return withCode(exitFailed, fmt.Errorf("there is no event in %s", r.File))
	case r.Good == 0:
		return withCode(exitFailed, errors.New("no event is good"))
	case r.Bad > 0:
		return withCode(exitPartly, fmt.Errorf("%d of %d events are bad", r.Bad, r.Events))
	}
	return nil
}

// validator checks events one by one.
type validator struct {
	judge  *eventJudge
	report report
}

// read checks all events of the input. It is one document where its first line alone is no JSON but the whole is, else
// there is one event on each line.
func (v *validator) read(input io.Reader) error {
	lines := bufio.NewReaderSize(input, 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(lines)
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return fmt.Errorf("line %d: %w", number, err)
		}
		text := bytes.TrimSpace(line)
		if len(text) > 0 && v.report.Events == 0 && !ended && !isJSON(text) {
			return v.document(number, line, lines)
		}
		if len(text) > 0 {
			v.check(number, text)
		}
		if ended {
			return nil
		}
	}
}

// document reads the rest of the input, which begins on the given line with first.
func (v *validator) document(number int, first []byte, rest io.Reader) error {
	text, err := io.ReadAll(io.LimitReader(rest, maxDocument+1))
	if err != nil {
		return err
	}
	if len(text) > maxDocument {
		return fmt.Errorf("line %d is no JSON, and a document over several lines may have no more than %d MiB", number, maxDocument>>20)
	}
	text = append(bytes.Clone(first), text...)
	if whole := bytes.TrimSpace(text); isJSON(whole) {
		v.check(number, whole)
		return nil
	}
	for line := range bytes.Lines(text) {
		if one := bytes.TrimSpace(line); len(one) > 0 {
			v.check(number, one)
		}
		number++
	}
	return nil
}

// readLine reads up to and with the next line feed.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxDocument {
			return nil, fmt.Errorf("it has more than %d MiB", maxDocument>>20)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// isJSON says whether the text is one JSON value, however bad as an event.
func isJSON(text []byte) bool {
	return jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// check judges one event.
func (v *validator) check(line int, text []byte) {
	v.report.Events++
	parts, problem := splitEvent(text)
	if problem == nil {
		record := parts.record()
		_, _, problem = v.judge.judge(&record)
	}
	if problem == nil {
		v.report.Good++
		return
	}
	v.report.Bad++
	problem.Line = line
	v.report.Problems = append(v.report.Problems, *problem)
}
