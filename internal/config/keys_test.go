package config

import (
	"strings"
	"testing"
)

// walk calls f for every key of the table.
func walk(fields []*key, f func(k *key)) {
	for _, k := range fields {
		f(k)
		walk(k.fields, f)
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	seen := map[string]bool{}
	walk(keys().fields, func(k *key) {
		if k.name == "" || strings.ContainsAny(k.name, ".<[") {
			t.Errorf("%s: the name %q cannot be written in the file", k.path, k.name)
		}
		if !strings.HasSuffix(k.doc, ".") || k.doc[:1] != strings.ToUpper(k.doc[:1]) {
			t.Errorf("%s: the comment is no sentence: %q", k.path, k.doc)
		}
		if strings.Contains(k.doc, "Refused") {
			t.Errorf("%s: the paragraph with Refused: must come last and alone: %q", k.path, k.doc)
		}
		if e := k.env(); e != "" {
			if seen[e] {
				t.Errorf("%s: the variable %s is that of another key too", k.path, e)
			}
			seen[e] = true
		}
		if k.inherit != "" {
			general, _ := lookup(k.inherit)
			if general == nil || general.typ != k.typ {
				t.Errorf("%s: inherits from %s, which is no key of its kind", k.path, k.inherit)
			}
		}
		if least, most := k.bounds(); least > most {
			t.Errorf("%s: min %s is above max %s", k.path, k.min, k.max)
		}
		if _, ok := formats[k.format]; !ok && k.format != "" && !strings.Contains(" file secret dir ", " "+k.format+" ") {
			t.Errorf("%s: unknown format %q", k.path, k.format)
		}
	})
	if len(seen) < 80 {
		t.Errorf("only %d variables; the table lacks keys", len(seen))
	}
}

func TestClosest(t *testing.T) {
	names := []string{"brokers", "client_id", "group_id", "app_secret_file", "tls"}
	for word, want := range map[string]string{
		"broker": "brokers", "borkers": "brokers", "groupid": "group_id", "app_secret": "app_secret_file", "TLS": "tls",
		"something_else": "", "x": "", "": "", strings.Repeat("brokers", 1000): "",
	} {
		if got := closest(word, names); got != want {
			t.Errorf("%.20q: %q, want %q", word, got, want)
		}
	}
}
