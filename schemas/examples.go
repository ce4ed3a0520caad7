package schemas

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed examples
var exampleFiles embed.FS

// Example is one event in structured CloudEvents JSON, to try things with: demo and publish use them, and so do tests.
// Names and numbers in them are invented.
type Example struct {
	Type    string // the event type it belongs to
	Name    string // file name without .json
	Good    bool   // accepted by a worker with the one account default
	Reason  string // of a bad one: the dead-letter reason
	Pointer string // of a bad one: the pointer into data, "" where no single field is at fault
	Event   []byte
}

// Examples returns all examples, ordered by type and name. They are the files examples/<type>/good-*.json and bad-*.json;
// expected.json beside them says what becomes of the bad ones.
func Examples() ([]Example, error) {
	var all []Example
	types, err := fs.ReadDir(exampleFiles, "examples")
	if err != nil {
		return nil, fmt.Errorf("read the examples: %w", err)
	}
	for _, dir := range types {
		folder := path.Join("examples", dir.Name())
		list, err := readExamples(folder, dir.Name())
		if err != nil {
			return nil, fmt.Errorf("read the examples in schemas/%s: %w", folder, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

func readExamples(folder, typeName string) ([]Example, error) {
	var expected map[string]struct{ Reason, Pointer string }
	text, err := exampleFiles.ReadFile(path.Join(folder, "expected.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		return nil, fmt.Errorf("expected.json: %w", err)
	}
	files, err := exampleFiles.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var list []Example
	for _, file := range files {
		if file.Name() == "expected.json" {
			continue
		}
		event, err := exampleFiles.ReadFile(path.Join(folder, file.Name()))
		if err != nil {
			return nil, err
		}
		fate, bad := expected[file.Name()]
		if bad != strings.HasPrefix(file.Name(), "bad-") {
			return nil, fmt.Errorf("%s: bad-* files and no others stand in expected.json", file.Name())
		}
		list = append(list, Example{
			Type:    typeName,
			Name:    strings.TrimSuffix(file.Name(), ".json"),
			Good:    !bad,
			Reason:  fate.Reason,
			Pointer: fate.Pointer,
			Event:   event,
		})
		delete(expected, file.Name())
	}
	if len(expected) > 0 {
		return nil, fmt.Errorf("expected.json names %d files that are not there", len(expected))
	}
	return list, nil
}
