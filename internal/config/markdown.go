package config

import (
	"fmt"
	"slices"
	"strings"
)

const markdownHead = `# Configuration

<!-- Generated from internal/config by "go generate ./internal/config". Do not edit. -->

One YAML file, given as ` + "`--config FILE` or `TOPRELAY_CONFIG`" + `. ` + "`worker config example`" + ` writes one with comments,
` + "`worker config schema`" + ` its JSON Schema for editors, and ` + "`worker config print`" + ` shows what is in force and where each
value comes from.

- **Order.** Defaults, then the file, then environment variables, then ` + "`--set KEY=VALUE`" + ` flags. Without a file the
  defaults and the environment count; no file is looked for.
- **Variables.** ` + "`TOPRELAY_`" + `, then the path in upper case with ` + "`__`" + ` between its parts: ` + "`TOPRELAY_KAFKA__GROUP_ID`" + `. Lists have
  commas between their elements. A variable with ` + "`__`" + ` that names no key is an error. In the name of a method or type write
  ` + "`_`" + ` for each dot.
- **Flags.** ` + "`--set kafka.group_id=test`" + `, as often as needed.
- **Errors** have the file, line and column or the variable, and the worker exits with code 78. They come in two steps: first
  all that cannot be read (unknown keys, keys given twice, wrong types); where there is none of that, all values that are
  refused, and all that does not go together.
- **Paths.** Relative paths start at the folder of the configuration file; without a file at the working directory.
- **Secrets** are files, never values of this file, of variables or of flags. A secret file must not be empty. Only its
  owner may write it, and besides the owner only its group may read it (` + "`chmod 600`" + `; ` + "`0440`" + ` is how Kubernetes mounts a
  secret). It is read again when it changes. All else needs a restart.
- **Durations** are numbers with units: ` + "`500ms`, `15s`, `2m`, `336h`" + `. **Sizes** have ` + "`B`, `KiB`, `MiB` or `GiB`" + `;
  a bare number is bytes. Numbers and durations are never negative.
- The file is YAML 1.2, or JSON. Anchors, aliases and merge keys work, tags do not. A number where a text is needed is the text
  as it is written; ` + "`true`, `false` and `null`" + ` need quotes there.
`

// Markdown writes docs/configuration.md.
func Markdown() []byte {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, k := range keys().fields {
		fmt.Fprintf(&b, "\n## %s\n\n", k.name)
		if k.leaf() {
			writeTable(&b, []*key{k})
			continue
		}
		b.WriteString(k.doc + "\n")
		if k.refused != "" {
			b.WriteString("\nRefused: " + k.refused + "\n")
		}
		b.WriteByte('\n')
		writeTable(&b, k.fields)
	}
	return []byte(b.String())
}

func writeTable(b *strings.Builder, fields []*key) {
	b.WriteString("| Key | Type | Default | Meaning |\n|---|---|---|---|\n")
	writeRows(b, fields)
}

func writeRows(b *strings.Builder, fields []*key) {
	for _, k := range fields {
		name := "`" + k.path + "`"
		if e := k.env(); e != "" {
			name += "<br>`" + e + "`"
		}
		meaning := k.doc
		if r := k.refusals(); r != "" {
			meaning += "<br>Refused: " + r
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", cell(name), cell(k.typeText()), cell(k.defaultText()), cell(meaning))
		writeRows(b, k.fields)
	}
}

// refusals joins what the comment and what the bounds refuse.
func (k *key) refusals() string {
	var parts []string
	if k.refused != "" {
		parts = append(parts, strings.TrimSuffix(k.refused, "."))
	}
	if k.min != "" {
		parts = append(parts, "less than `"+k.min+"`")
	}
	if k.max != "" && !strings.Contains(k.refused, k.max) {
		parts = append(parts, "more than `"+k.max+"`")
	}
	if k.required && k.leaf() && !strings.Contains(k.refused, "empty") {
		parts = append(parts, "an empty value")
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, "; ") + "."
}

func (k *key) typeText() string {
	if len(k.enum) > 0 {
		return "`" + strings.Join(k.enum, "`, `") + "`"
	}
	if k.pointer {
		return "section, optional"
	}
	return k.what()
}

func (k *key) defaultText() string {
	switch {
	case k.inherit != "":
		return "as `" + k.inherit + "`"
	case !k.leaf():
		return ""
	case k.def != "":
		return "`" + strings.ReplaceAll(k.def, ",", ", ") + "`"
	case k.required:
		return "none, must be given"
	case slices.Contains([]kind{kindList, kindText}, k.kind):
		return "empty"
	}
	return ""
}

// cell makes a text fit for a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", "\\|") }
