// Package markdown reads those parts of Markdown files that tests can check: headings, links, code.
package markdown

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// File is a Markdown file of the repository.
type File struct {
	Path string // relative to the root, with slashes
	Text string
}

// Files returns all Markdown files below root but those of other people's packages.
func Files(root string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case entry.IsDir() || !strings.EqualFold(filepath.Ext(path), ".md"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, File{Path: filepath.ToSlash(name), Text: string(text)})
		return nil
	})
	return files, err
}

// Block is a fenced block of code.
type Block struct {
	Line     int    // of its text
	Language string // the word behind the fence
	Text     string
}

// Blocks returns the fenced blocks.
func (f File) Blocks() []Block {
	blocks, _ := f.parts()
	return blocks
}

// Span is a piece of text with the line where it stands.
type Span struct {
	Line int
	Text string
}

var spans = regexp.MustCompile("``([^\n]*?[^`\n])``|`([^`\n]+)`")

// Spans returns the code within the prose.
func (f File) Spans() []Span {
	var out []Span
	_, prose := f.parts()
	for _, line := range prose {
		for _, m := range spans.FindAllStringSubmatch(line.Text, -1) {
			out = append(out, Span{line.Line, m[1] + m[2]})
		}
	}
	return out
}

var links = regexp.MustCompile(`\]\(<?([^()\s>]+)>?(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s+(\S+)`)

// Links returns the targets of the links.
func (f File) Links() []Span {
	var out []Span
	_, prose := f.parts()
	for _, line := range prose {
		for _, m := range links.FindAllStringSubmatch(spans.ReplaceAllString(line.Text, "code"), -1) {
			out = append(out, Span{line.Line, m[1] + m[2]})
		}
	}
	return out
}

var (
	heading    = regexp.MustCompile(`^#{1,6}\s+(.*?)\s*#*$`)
	linkInside = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// Anchors returns the names that a link may have behind #, as GitHub makes them of headings.
func (f File) Anchors() map[string]bool {
	anchors := map[string]bool{}
	_, prose := f.parts()
	for _, line := range prose {
		m := heading.FindStringSubmatch(line.Text)
		if m == nil {
			continue
		}
		name := slug(linkInside.ReplaceAllString(m[1], "$1"))
		for n := 1; anchors[name]; n++ { // the same heading again
			name = strings.TrimSuffix(name, "-"+strconv.Itoa(n-1)) + "-" + strconv.Itoa(n)
		}
		anchors[name] = true
	}
	return anchors
}

func slug(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			return unicode.ToLower(r)
		default:
			return -1
		}
	}, text)
}

// parts takes the blocks out of the lines.
func (f File) parts() (blocks []Block, prose []Span) {
	fence := ""
	for i, line := range strings.Split(f.Text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case fence == "" && (strings.HasPrefix(trimmed, "```") || strings.HasPrefix(trimmed, "~~~")):
			fence = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, trimmed[:1]))]
			language, _, _ := strings.Cut(strings.TrimSpace(trimmed[len(fence):]), " ")
			blocks = append(blocks, Block{Line: i + 2, Language: language})
		case fence == "":
			prose = append(prose, Span{i + 1, line})
		case strings.HasPrefix(trimmed, fence) && strings.Trim(trimmed, fence[:1]+" \r") == "":
			fence = ""
		default:
			blocks[len(blocks)-1].Text += line + "\n"
		}
	}
	return blocks, prose
}
