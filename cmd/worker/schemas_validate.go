package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/internal/event"
	"github.com/toprelay/worker/schemas"
)

// maxDocument bounds one line, and a document over several lines, in bytes. Events are far smaller.
const maxDocument = 64 << 20

func newSchemasValidateCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FILE|-",
		Short: "Check events as the worker would, without sending them",
		Long: `Checks structured CloudEvents as the worker would: envelope, type and data. The input has one event on each
line (JSON lines), or is one JSON document. Account and expiry are not checked, because they depend on where and when
the event arrives.

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
		name, input := args[0], c.stdin
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return withCode(exitUsage, fmt.Errorf("reading the events: %w", err))
			}
			defer f.Close()
			input = f
		}
		v := validator{cfg: cfg, known: known, report: report{File: name, Problems: []defect{}}}
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
	File     string   `json:"file"`
	Events   int      `json:"events"`
	Good     int      `json:"good"`
	Bad      int      `json:"bad"`
	Problems []defect `json:"problems"` // one for each bad event
}

// defect is what is wrong with one event. It holds no value of the data.
type defect struct {
	Line    int    `json:"line"` // where the event begins
	ID      string `json:"id"`
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Pointer string `json:"pointer"`
	Message string `json:"message"`
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
	cfg    *config.Config
	known  *schemas.Catalogue
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

// structuredMode is the header of an event that is one JSON document.
var structuredMode = []event.Header{{Key: "content-type", Value: []byte("application/cloudevents+json")}}

// check judges one event in the order of the worker: size, envelope, type, data.
func (v *validator) check(line int, text []byte) {
	v.report.Events++
	decoder := event.Decoder{MaxBytes: int(v.cfg.Consumer.MaxEventBytes)}
	e, bad := decoder.Decode(&event.Record{Value: text, Headers: structuredMode})
	if bad == nil {
		bad = v.data(&e)
	}
	if bad == nil {
		v.report.Good++
		return
	}
	v.report.Bad++
	v.report.Problems = append(v.report.Problems, defect{
		Line: line, ID: e.ID, Type: e.Type, Reason: string(bad.Reason), Pointer: bad.Pointer, Message: bad.Message,
	})
}

func (v *validator) data(e *event.Event) *event.Defect {
	t, ok := v.known.Type(e.Type)
	if !ok {
		return &event.Defect{Reason: event.ReasonUnknownType, Message: "no schema describes this type; 'worker schemas list' shows all"}
	}
	if e.DataDefect != nil {
		return e.DataDefect
	}
	if _, bad := t.Check(e.Data, schemas.UnknownFields(v.cfg.Type(e.Type).UnknownFields)); bad != nil {
		return &event.Defect{Reason: event.ReasonInvalidData, Pointer: bad.Pointer, Message: bad.Message}
	}
	return nil
}
