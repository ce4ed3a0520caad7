package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/toprelay/worker/test/docs/markdown"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the repository.
const root = "../.."

// documents are all Markdown files of the repository.
func documents(t *testing.T) []markdown.File {
	t.Helper()
	files, err := markdown.Files(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 5 {
		t.Fatalf("only %d documents were found", len(files))
	}
	return files
}

// document is one Markdown file.
func document(t *testing.T, path string) markdown.File {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return markdown.File{Path: path, Text: string(text)}
}

// mention is a text of a document that names something of the product.
type mention struct {
	path string
	line int
	text string
}

// mentions returns what the expression finds in the code of the documents, in prose and in blocks: its first group.
func mentions(t *testing.T, expression string) []mention {
	t.Helper()
	find := regexp.MustCompile(expression)
	var out []mention
	add := func(path string, line int, text string) {
		for _, m := range find.FindAllStringSubmatch(text, -1) {
			out = append(out, mention{path, line, m[1]})
		}
	}
	for _, f := range documents(t) {
		for _, s := range f.Spans() {
			add(f.Path, s.Line, s.Text)
		}
		for _, b := range f.Blocks() {
			for i, line := range strings.Split(b.Text, "\n") {
				add(f.Path, b.Line+i, line)
			}
		}
	}
	return out
}
