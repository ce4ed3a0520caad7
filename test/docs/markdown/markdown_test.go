package markdown

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
)

const sample = "# The `first` heading\n" +
	"See [a](a.md#b), [![picture](p.png)](https://example.com \"title\") and `[no](link.md)`, ``two ` ticks``.\n" +
	"```sh\n# no heading [no](link.md)\nworker run\n```\n" +
	"## Again!\n## Again!\n## Every [link](x.md) & C++\n" +
	"[reference]: r.md\n"

func TestParts(t *testing.T) {
	f := File{Text: sample}
	if got, want := f.Links(), []Span{{2, "a.md#b"}, {2, "p.png"}, {2, "https://example.com"}, {9, "x.md"}, {10, "r.md"}}; !sameLinks(got, want) {
		t.Errorf("links: %v, want %v", got, want)
	}
	if got, want := f.Spans(), []Span{{1, "first"}, {2, "[no](link.md)"}, {2, "two ` ticks"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("spans: %v, want %v", got, want)
	}
	if got, want := f.Blocks(), []Block{{4, "sh", "# no heading [no](link.md)\nworker run\n"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("blocks: %v, want %v", got, want)
	}
	want := map[string]bool{"the-first-heading": true, "again": true, "again-1": true, "every-link--c": true}
	if got := f.Anchors(); !reflect.DeepEqual(got, want) {
		t.Errorf("anchors: %v, want %v", got, want)
	}
}

func sameLinks(a, b []Span) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s Span) bool { return !slices.Contains(b, s) })
}

func TestFiles(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.md", "docs/b.md", "docs/c.txt", "node_modules/d.md", ".git/e.md"} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Files(root)
	if want := []File{{"a.md", "a.md"}, {"docs/b.md", "docs/b.md"}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestCommands(t *testing.T) {
	for _, tt := range []struct {
		text string
		want [][]string
	}{
		{"worker run", [][]string{{"worker", "run"}}},
		{"  worker run # words\n# more words", [][]string{{"worker", "run"}}},
		{"a --x=\"b c\" 'd|e' f\\ g", [][]string{{"a", "--x=b c", "d|e", "f g"}}},
		{"a b | c && d; e & f || g", [][]string{{"a", "b"}, {"c"}, {"d"}, {"e"}, {"f"}, {"g"}}},
		{"a > file 2>&1 b >> c < d", [][]string{{"a", "b"}}},
		{"a \\\n  b", [][]string{{"a", "b"}}},
		{"source <(worker completion bash)", [][]string{{"source"}, {"worker", "completion", "bash"}}},
		{"cat > f <<'END'\nx y\nEND\nz", [][]string{{"cat"}, {"z"}}},
		{"a 'b", [][]string{{"a", "b"}}},
		{"echo '{\n\"a\": 1}' | tr -d '\\n' |\n  worker publish -", [][]string{{"echo", "{\n\"a\": 1}"}, {"tr", "-d", "\\n"}, {"worker", "publish", "-"}}},
		{"curl -d 'a' http://h/#x", [][]string{{"curl", "-d", "a", "http://h/#x"}}},
	} {
		if got := Commands(tt.text); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestHereDocument(t *testing.T) {
	const text = "cat > a.yaml <<'END'\nx: 1\ny: 2\nEND\nb\n"
	if got := HereDocument(text, "a.yaml"); got != "x: 1\ny: 2\n" {
		t.Errorf("got %q", got)
	}
	for _, other := range []string{"b.yaml", "a.yam"} {
		if got := HereDocument(text, other); got != "" {
			t.Errorf("%s: got %q", other, got)
		}
	}
}
