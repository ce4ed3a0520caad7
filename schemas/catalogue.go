// Package schemas is the catalogue of APIs. Each event type is one JSON Schema (2020-12) that alone holds what differs
// between the APIs: fields, rules, method, encoding, ordering key, idempotency, session, reply and personal data. The
// program knows three encodings of a call and no API: another one is another file.
//
// Reading order: catalogue.go loads files, build.go and extension.go turn one into a Type, check.go and walk.go decide what of
// an event's data is sent, rules.go asks the JSON Schema library about the rules between fields.
package schemas

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

//go:embed top.*.schema.json
var embedded embed.FS

const fileSuffix = ".schema.json"

// AsyncAPI describes the topics, events and dead letters for other programs (schemas/asyncapi.yaml).
//
//go:embed asyncapi.yaml
var AsyncAPI []byte

// Catalogue holds the event types. It does not change after Load and is safe for concurrent use.
type Catalogue struct {
	types    []*Type
	byName   map[string]*Type
	byMethod map[string]*Type
}

// Load reads the embedded schemas, overlaid by the files *.schema.json of overlayDir ("" = none): a file of the same
// name replaces the embedded one, another adds a type. An error names the file and the place in it; all defects are told
// at once.
func Load(overlayDir string) (*Catalogue, error) {
	own, err := embeddedTypes()
	if err != nil {
		return nil, err
	}
	types := maps.Clone(own)
	if overlayDir != "" {
		overlay, err := readTypes(os.DirFS(overlayDir), overlayDir)
		if err != nil {
			return nil, err
		}
		maps.Copy(types, overlay)
	}
	c := &Catalogue{byName: types, byMethod: map[string]*Type{}}
	c.types = slices.SortedFunc(maps.Values(types), func(a, b *Type) int { return cmp.Compare(a.Name, b.Name) })
	for _, t := range c.types {
		if other := c.byMethod[t.Method]; other != nil {
			return nil, fmt.Errorf("the types %s and %s both call the method %s; a method belongs to one type",
				other.Name, t.Name, t.Method)
		}
		c.byMethod[t.Method] = t
	}
	return c, nil
}

// embeddedTypes are read once: a Type never changes, so all catalogues can share them.
var embeddedTypes = sync.OnceValues(func() (map[string]*Type, error) { return readTypes(embedded, "schemas") })

// readTypes reads the schema files at the top of dir.
func readTypes(dir fs.FS, name string) (map[string]*Type, error) {
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("read the folder %s: %w", name, err)
	}
	types := map[string]*Type{}
	var defects []error
	for _, entry := range entries {
		if entry.IsDir() || !strings.HasSuffix(entry.Name(), fileSuffix) {
			continue
		}
		file := filepath.Join(name, entry.Name())
		source, err := fs.ReadFile(dir, entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the schema %s: %w", file, err)
		}
		t, err := parseType(strings.TrimSuffix(entry.Name(), fileSuffix), source)
		if err != nil {
			defects = append(defects, fmt.Errorf("%s: %w", file, err))
			continue
		}
		types[t.Name] = t
	}
	return types, errors.Join(defects...)
}

// Type returns the named event type.
func (c *Catalogue) Type(name string) (*Type, bool) {
	t, ok := c.byName[name]
	return t, ok
}

// ByMethod returns the type whose events call the method.
func (c *Catalogue) ByMethod(method string) (*Type, bool) {
	t, ok := c.byMethod[method]
	return t, ok
}

// Types returns all types, sorted by name.
func (c *Catalogue) Types() []*Type {
	return slices.Clone(c.types)
}

// typeNames are those that can stand in a metric label and a file name.
var typeNames = regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*$`)

// parseType builds the type of the given name from its schema file.
func parseType(name string, source []byte) (*Type, error) {
	if !typeNames.MatchString(name) {
		return nil, fmt.Errorf("the file is named after the event type: lower-case letters, digits, dots, - and _, not %q", name)
	}
	doc, err := parseDocument(source)
	if err != nil {
		return nil, err
	}
	t := &Type{Name: name, Source: source, doc: doc}
	root, err := buildRoot(doc)
	if err != nil {
		return nil, err
	}
	t.Root = root
	if title := doc.get("title"); title != nil {
		t.Title, _ = title.value.(string)
	}
	t.Description = root.Description
	if err := t.readExtension(doc); err != nil {
		return nil, err
	}
	if err := checkEncoding(t, doc.get("x-top")); err != nil {
		return nil, err
	}
	if t.rules, err = compileRules(root, doc); err != nil {
		return nil, err
	}
	return t, nil
}
