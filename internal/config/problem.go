package config

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Place   string // "file.yaml:3:5", the name of a variable, "--set", "default"; empty where there is none
	Key     string // kafka.topics[1]; empty where no key is concerned
	Message string // what is wrong and what to do
}

func (p Problem) String() string {
	var parts []string
	for _, s := range []string{p.Place, p.Key, p.Message} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Problems is the error of Load and Validate: everything that is wrong, one line each. It never holds a secret.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.String()
	}
	if len(lines) == 1 {
		return "bad configuration: " + lines[0]
	}
	return "bad configuration:\n  " + strings.Join(lines, "\n  ")
}

// err is nil where there is no problem. Those of the file come first, in the order of its lines.
func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		aLine, aColumn := position(a.Place)
		bLine, bColumn := position(b.Place)
		return cmp.Or(cmp.Compare(aLine, bLine), cmp.Compare(aColumn, bColumn))
	})
	return p
}

// position is the line and column at the end of a place; what is not in the file is behind all lines.
func position(place string) (line, column int) {
	parts := strings.Split(place, ":")
	if n := len(parts); n >= 3 {
		line, lineErr := strconv.Atoi(parts[n-2])
		column, columnErr := strconv.Atoi(parts[n-1])
		if lineErr == nil && columnErr == nil {
			return line, column
		}
	}
	return math.MaxInt, 0
}

// quote shows a value that was given, cut to a length that fits a line.
func quote(text string) string {
	const longest = 40
	if utf8.RuneCountInString(text) > longest {
		text = string([]rune(text)[:longest]) + "..."
	}
	return strconv.Quote(text)
}
