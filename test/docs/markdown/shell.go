package markdown

import "strings"

// Commands returns the commands of a shell text, each as its words: quotes are taken off, and pipes, redirections,
// comments and here-documents are left out. It knows as much of a shell as documents use.
func Commands(text string) [][]string {
	s := shell{text: text}
	for !s.ended() {
		s.next()
	}
	s.endCommand()
	return s.commands
}

type shell struct {
	text      string
	at        int
	commands  [][]string
	words     []string
	word      strings.Builder
	inWord    bool
	skip      bool     // the next word is where a redirection goes
	documents []string // ends of the here-documents that begin with the next line
	document  bool     // the next word is the end of a here-document
}

func (s *shell) ended() bool { return s.at >= len(s.text) }

func (s *shell) next() {
	c := s.text[s.at]
	s.at++
	switch c {
	case '\\':
		if !s.ended() {
			if s.text[s.at] != '\n' {
				s.add(s.text[s.at : s.at+1])
			}
			s.at++
		}
	case '\'', '"':
		end := strings.IndexByte(s.text[s.at:], c)
		if end < 0 {
			end = len(s.text) - s.at
		}
		s.add(s.text[s.at : s.at+end])
		s.at = min(s.at+end+1, len(s.text))
	case ' ', '\t', '\r':
		s.endWord()
	case '#':
		if s.inWord {
			s.add("#")
			return
		}
		if end := strings.IndexByte(s.text[s.at:], '\n'); end >= 0 {
			s.at += end
		} else {
			s.at = len(s.text)
		}
	case '\n':
		s.endCommand()
		s.skipDocuments()
	case '|', '&', ';', '(', ')':
		s.endCommand()
	case '<', '>':
		s.redirect(c)
	default:
		s.add(string(c))
	}
}

func (s *shell) add(text string) {
	s.word.WriteString(text)
	s.inWord = true
}

// redirect drops the number before a redirection and the word behind it.
func (s *shell) redirect(c byte) {
	if strings.Trim(s.word.String(), "0123456789") == "" {
		s.word.Reset()
		s.inWord = false
	}
	s.endWord()
	rest := s.text[s.at:]
	switch {
	case strings.HasPrefix(rest, "("): // a process's output in the place of a file
		s.skip = false
	case c == '<' && strings.HasPrefix(rest, "<"):
		s.at++
		s.document = true
	case strings.HasPrefix(rest, ">") || strings.HasPrefix(rest, "&"):
		s.at++
		s.skip = true
	default:
		s.skip = true
	}
}

func (s *shell) endWord() {
	if !s.inWord {
		return
	}
	word := s.word.String()
	s.word.Reset()
	s.inWord = false
	switch {
	case s.document:
		s.documents = append(s.documents, word)
	case !s.skip:
		s.words = append(s.words, word)
	}
	s.skip, s.document = false, false
}

func (s *shell) endCommand() {
	s.endWord()
	if len(s.words) > 0 {
		s.commands = append(s.commands, s.words)
		s.words = nil
	}
}

func (s *shell) skipDocuments() {
	for _, end := range s.documents {
		for !s.ended() {
			line, _, _ := strings.Cut(s.text[s.at:], "\n")
			s.at = min(s.at+len(line)+1, len(s.text))
			if strings.TrimSpace(line) == end {
				break
			}
		}
	}
	s.documents = nil
}

// HereDocument returns the text of the here-document that a shell text redirects into the named file, "" where there is
// none.
func HereDocument(text, file string) string {
	_, rest, found := strings.Cut(text, "> "+file+" <<")
	if !found {
		return ""
	}
	end, body, _ := strings.Cut(rest, "\n")
	body, _, closed := strings.Cut(body, "\n"+strings.Trim(end, `'"- `)+"\n")
	if !closed {
		return ""
	}
	return body + "\n"
}
