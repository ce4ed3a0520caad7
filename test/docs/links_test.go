package docs

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/toprelay/worker/test/docs/markdown"
)

// TestLinks checks that every relative link leads to a file or folder of the repository, and its anchor to a heading.
func TestLinks(t *testing.T) {
	for _, f := range documents(t) {
		for _, link := range f.Links() {
			if strings.Contains(link.Text, "://") || strings.HasPrefix(link.Text, "mailto:") {
				continue
			}
			target, anchor, _ := strings.Cut(link.Text, "#")
			to := f
			if target != "" {
				name := path.Join(path.Dir(f.Path), target)
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
					t.Errorf("%s:%d: the link %s leads nowhere", f.Path, link.Line, link.Text)
					continue
				}
				if anchor == "" {
					continue
				}
				to = document(t, name)
			}
			if anchor != "" && !to.Anchors()[anchor] {
				t.Errorf("%s:%d: the link %s: %s has no such heading", f.Path, link.Line, link.Text, to.Path)
			}
		}
	}
}

// TestPaths checks that every file and folder of the sources that a document names is there.
func TestPaths(t *testing.T) {
	for _, m := range mentions(t, `^((?:cmd|docs|internal|schemas|test|tools)/[\w./-]*\w/?)$`) {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m.text))); err != nil {
			t.Errorf("%s:%d: there is no %s", m.path, m.line, m.text)
		}
	}
}

// TestMakeTargets checks that every `make TARGET` of a document is a target.
func TestMakeTargets(t *testing.T) {
	file, err := os.Open(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	targets := map[string]bool{}
	target := regexp.MustCompile(`^([a-z][a-z-]*):`)
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if m := target.FindStringSubmatch(lines.Text()); m != nil {
			targets[m[1]] = true
		}
	}
	found := 0
	for _, f := range documents(t) {
		for _, s := range append(f.Spans(), blockSpans(f)...) {
			for _, words := range markdown.Commands(s.Text) {
				if words[0] == "make" && len(words) > 1 {
					found++
					if !targets[words[1]] {
						t.Errorf("%s:%d: make %s is no target", f.Path, s.Line, words[1])
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no make target was found in the documents")
	}
}

// blockSpans are the blocks of shell commands.
func blockSpans(f markdown.File) []markdown.Span {
	var spans []markdown.Span
	for _, b := range f.Blocks() {
		if b.Language == "sh" {
			spans = append(spans, markdown.Span{Line: b.Line, Text: b.Text})
		}
	}
	return spans
}
