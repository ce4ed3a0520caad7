// Command gendocs renews the generated parts of docs/publishing-events.md: the tables of types and fields, the example
// events, and the table of mistakes, whose reasons and pointers it finds out by making each mistake. The prose between
// them is written by hand. `go generate ./schemas/gendocs` runs it.
package main

import (
	"fmt"
	"os"

	"github.com/toprelay/worker/schemas"
)

//go:generate go run . ../../docs/publishing-events.md

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gendocs FILE")
		os.Exit(2)
	}
	if err := renewFile(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}

func renewFile(path string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	blocks, err := generate()
	if err != nil {
		return err
	}
	renewed, err := renew(string(old), blocks)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(renewed), 0o644)
}

// generate makes the text of every block by its name.
func generate() (map[string]string, error) {
	known, err := schemas.Load("")
	if err != nil {
		return nil, err
	}
	examples, err := schemas.Examples()
	if err != nil {
		return nil, err
	}
	d := document{known: known, examples: examples}
	blocks := map[string]string{}
	for name, text := range map[string]func() (string, error){
		"binary": d.binary, "structured": d.structured, "overview": d.overview, "types": d.types, "mistakes": d.mistakes,
		"result": d.result,
	} {
		if blocks[name], err = text(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return blocks, nil
}

// document is what the blocks are made from.
type document struct {
	known    *schemas.Catalogue
	examples []schemas.Example
}

// example returns a good example.
func (d *document) example(eventType, name string) (schemas.Example, error) {
	for _, e := range d.examples {
		if e.Type == eventType && e.Name == name && e.Good {
			return e, nil
		}
	}
	return schemas.Example{}, fmt.Errorf("there is no good example %s of %s", name, eventType)
}
