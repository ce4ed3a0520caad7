// Package redact is the one place that masks personal data and secrets on their way out: into logs, error texts,
// dead-letter headers, results, pages and terminals. It knows texts and kinds of data, not events: which fields hold
// personal data is marked in the schemas.
package redact

import (
	"cmp"
	"encoding/json"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Hidden stands where a sensitive value stood.
const Hidden = "***"

// shortest is the length, in characters, from which on a sensitive value is looked for. One character tells nothing
// about a person, and masking each of its occurrences would make any text unreadable.
const shortest = 2

// Text masks s: every occurrence of a sensitive value becomes Hidden, the longest value first, also where the value was
// echoed escaped for JSON, HTML or a URL. Then mobile numbers, land lines and identity numbers of China are masked
// wherever they stand, since free text holds them too. Callers pass secrets as sensitive values.
func Text(s string, sensitive []string) string {
	return Numbers(hide(s, sensitive))
}

// hide replaces the values in one pass, so that the replacement of one cannot become part of another.
func hide(s string, sensitive []string) string {
	if s == "" || len(sensitive) == 0 {
		return s
	}
	var forms []string
	for _, value := range sensitive {
		value = strings.TrimSpace(value)
		if utf8.RuneCountInString(value) < shortest {
			continue
		}
		for _, form := range spellings(value) {
			if strings.Contains(s, form) {
				forms = append(forms, form)
			}
		}
	}
	if len(forms) == 0 {
		return s
	}
	// strings.Replacer takes the first of its pairs that fits at a place.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	pairs := make([]string, 0, 2*len(forms))
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, Hidden)
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// spellings are the forms in which a platform, a proxy or an error text echoes a value.
func spellings(value string) []string {
	forms := []string{value}
	add := func(form string) {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	add(html.EscapeString(value))
	add(strings.ReplaceAll(html.EscapeString(value), "&#39;", "&apos;"))
	add(url.QueryEscape(value))
	add(url.PathEscape(value))
	if quoted, err := json.Marshal(value); err == nil {
		add(string(quoted[1 : len(quoted)-1]))
	}
	return forms
}
