package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// mark is a place in a text, counted from 1. The zero mark is no place.
type mark struct{ line, column int }

// syntaxError says why a text is not read at all.
type syntaxError struct {
	at      mark
	message string
	begin   mark // of what the mistake is in; zero where the message needs no such
}

func (e *syntaxError) Error() string { return e.message }

// parse reads the one document of the text; nil where it is empty. The error is a *syntaxError.
func parse(text []byte) (doc *yaml.Node, err error) {
	if at := notAllowed(text); at < len(text) {
		r, _ := utf8.DecodeRune(text[at:])
		return nil, &syntaxError{at: markOf(text, at), message: fmt.Sprintf("not YAML: the character %U is not allowed", r)}
	}
	text = compatible(text)
	d := yaml.NewDecoder(bytes.NewReader(text))
	defer func() {
		if r := recover(); r != nil { // the parser is not ours, and a typing error of an operator must not end in a trace
			doc, err = nil, &syntaxError{at: parserMark(d, "parser", "mark"), message: "not YAML: the parser does not understand it"}
		}
	}()
	for {
		var n yaml.Node
		if err := d.Decode(&n); errors.Is(err, io.EOF) {
			return doc, nil
		} else if err != nil {
			return nil, located(d, err, text)
		}
		body := n.Content[0]
		switch {
		case body.Kind == yaml.ScalarNode && body.Style == 0 && body.Value == "": // nothing, or comments only
		case doc != nil:
			body = start(body)
			return nil, &syntaxError{at: mark{body.Line, body.Column}, message: "not YAML: more than one document"}
		default:
			doc = body
		}
	}
}

var unknownAnchor = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)

// located gives an error of the parser its place. The parser tells a line in its text, which is often none, the one before,
// or that where the surrounding section begins. It knows better, but in fields that it does not export. Where another
// version of it has no such fields its text is all that is said.
func located(d *yaml.Decoder, err error, text []byte) *syntaxError {
	if m := unknownAnchor.FindStringSubmatch(err.Error()); m != nil {
		return &syntaxError{at: parserMark(d, "event", "start_mark"), message: fmt.Sprintf("there is no anchor %s in this file before this alias", quote(m[1]))}
	}
	problem := parserField(d, "parser", "problem")
	if problem.Kind() != reflect.String || problem.Len() == 0 {
		return &syntaxError{message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}
	}
	e := &syntaxError{at: parserMark(d, "parser", "problem_mark"), message: "not YAML: " + problem.String()}
	context, begin := parserField(d, "parser", "context"), parserMark(d, "parser", "context_mark")
	if hint := hintAt(text, e.at); hint != "" {
		e.message += hint
	} else if context.Kind() == reflect.String && context.Len() > 0 && begin != e.at {
		e.message, e.begin = e.message+" "+context.String(), begin
	}
	return e
}

// parserField finds a field of the decoder's parser; the zero Value where there is none.
func parserField(d *yaml.Decoder, names ...string) reflect.Value {
	v := reflect.ValueOf(d)
	for _, name := range append([]string{"parser"}, names...) {
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return reflect.Value{}
		}
		v = v.FieldByName(name)
	}
	return v
}

func parserMark(d *yaml.Decoder, names ...string) mark {
	line, column := parserField(d, append(names, "line")...), parserField(d, append(names, "column")...)
	if !line.CanInt() || !column.CanInt() {
		return mark{}
	}
	return mark{int(line.Int()) + 1, int(column.Int()) + 1}
}

// hintAt says what to do about the character at a mistake, where it is one that is often the reason.
func hintAt(text []byte, at mark) string {
	for range at.line - 1 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	line, _, _ := strings.Cut(string(text), "\n")
	runes := []rune(line + " ")
	if at.column < 1 || at.column >= len(runes) {
		return ""
	}
	before, first, next := strings.TrimRight(string(runes[:at.column-1]), " "), runes[at.column-1], runes[at.column]
	begins := before != "" && strings.ContainsRune(":-,[{", rune(before[len(before)-1])) // a text would begin here
	switch {
	case before == "" && first == '\t':
		return ": indent with spaces, not with a tab"
	case begins && strings.ContainsRune("@`%", first), begins && first == ':' && !unicode.IsSpace(next), first == '?' && !unicode.IsSpace(next):
		return fmt.Sprintf(": put the text with %c in quotes", first)
	}
	return ""
}

// notAllowed is the index of the first character that must not stand in a file of YAML.
func notAllowed(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == '\t', r == '\n', r == '\r', r >= ' ' && r < 0x7f, r == 0x85, r >= 0xa0 && r < 0xfffe && r != 0xfeff, r > 0xffff:
		default:
			return i
		}
		i += n
	}
	return len(text)
}

// markOf is the place of an index of the text.
func markOf(text []byte, at int) mark {
	before := text[:at]
	return mark{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1}
}

var (
	yaml12     = regexp.MustCompile(`\A((?:[ \t\r]*(?:#.*)?\n|%.*\n)*%YAML[ \t]+1\.)2\b`)
	jsonString = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	jsonEscape = regexp.MustCompile(`\\(?:/|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)
)

// compatible rewrites what YAML 1.2 and JSON allow and the parser, which began with YAML 1.1, does not: a directive with
// the version 1.2, and two escapes of JSON. No line or column of anything else changes.
func compatible(text []byte) []byte {
	text = yaml12.ReplaceAll(text, []byte("${1}1"))
	if !json.Valid(text) {
		return text
	}
	return jsonString.ReplaceAllFunc(text, func(s []byte) []byte {
		short := jsonEscape.ReplaceAllFunc(s, func(e []byte) []byte {
			switch len(e) {
			case len(`\ud83d\ude00`):
				high, _ := strconv.ParseUint(string(e[2:6]), 16, 16) // digits, says the pattern
				low, _ := strconv.ParseUint(string(e[8:]), 16, 16)
				return fmt.Appendf(nil, `\U%08X`, utf16.DecodeRune(rune(high), rune(low)))
			case len(`\/`):
				if e[1] == '/' {
					return []byte("/")
				}
			}
			return e
		})
		return append(short, bytes.Repeat([]byte(" "), len(s)-len(short))...)
	})
}
