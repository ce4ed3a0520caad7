package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/toprelay/worker/internal/broker"
)

// A chunk is what is checked and written at once.
const (
	chunkLines = 5000
	chunkBytes = 4 << 20
)

// parseLine makes a record of the text of a line. A problem's line number is filled in by the caller.
type parseLine func(text []byte) (broker.Outgoing, *lineProblem)

// chunk holds lines in the order of the input.
type chunk struct {
	count    int // lines that are not blank
	out      []broker.Outgoing
	lines    []int // the line numbers of out
	problems []lineProblem
}

func (c *chunk) sortedProblems() []lineProblem {
	slices.SortStableFunc(c.problems, func(a, b lineProblem) int { return cmp.Compare(a.Line, b.Line) })
	return c.problems
}

// lineProblem is what is wrong with one line. It holds no value of the data.
type lineProblem struct {
	Line    int    `json:"line"`
	ID      string `json:"id"`
	Type    string `json:"type"`
	Reason  string `json:"reason"` // a dead-letter reason; bad_line: what publish itself reads; refused: by Kafka
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

func (p *lineProblem) text(file string) string {
	s := fmt.Sprintf("%s:%d: %s", file, p.Line, p.Reason)
	if p.Pointer != "" {
		s += " at " + p.Pointer
	}
	s += ": " + p.Message
	if p.ID != "" {
		s += fmt.Sprintf(" (id %q)", p.ID)
	}
	return s
}

func badLine(format string, args ...any) *lineProblem {
	return &lineProblem{Reason: "bad_line", Message: fmt.Sprintf(format, args...)}
}

// openEvents opens the file with events of that name, - being stdin, and says how it is called in what is printed.
func openEvents(c *cli, name string) (shown string, events io.ReadCloser, err error) {
	if name == "-" {
		return "stdin", io.NopCloser(c.stdin), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return name, nil, withCode(exitUsage, fmt.Errorf("reading the events: %w", err))
	}
	return name, f, nil
}

// numberedLine is a line that is not blank.
type numberedLine struct {
	number int
	text   []byte
}

// readChunks reads the input to its end, a chunk at a time.
func readChunks(ctx context.Context, input io.Reader, parse parseLine, chunks chan<- *chunk) error {
	r := bufio.NewReaderSize(input, 256<<10)
	for number := 1; ; {
		var lines []numberedLine
		size := 0
		var err error
		for err == nil && len(lines) < chunkLines && size < chunkBytes && ctx.Err() == nil {
			var text []byte
			text, err = readLine(r)
			if text = bytes.TrimSpace(text); len(text) > 0 {
				lines = append(lines, numberedLine{number, text})
				size += len(text)
			}
			number++
		}
		if len(lines) > 0 {
			select {
			case chunks <- parseChunk(lines, parse):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading line %d: %w", number-1, err)
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// parseChunk parses with all processors and keeps the order.
func parseChunk(lines []numberedLine, parse parseLine) *chunk {
	out := make([]broker.Outgoing, len(lines))
	problems := make([]*lineProblem, len(lines))
	share := (len(lines) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var workers sync.WaitGroup
	for from := 0; from < len(lines); from += share {
		workers.Go(func() {
			for i := from; i < min(from+share, len(lines)); i++ {
				out[i], problems[i] = parse(lines[i].text)
			}
		})
	}
	workers.Wait()
	c := &chunk{count: len(lines)}
	for i, problem := range problems {
		if problem != nil {
			problem.Line = lines[i].number
			c.problems = append(c.problems, *problem)
			continue
		}
		c.out = append(c.out, out[i])
		c.lines = append(c.lines, lines[i].number)
	}
	return c
}
