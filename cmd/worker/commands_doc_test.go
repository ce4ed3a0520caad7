package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

//go:generate go test -count=1 -run ^TestCommandsDocument$ . -update

var update = flag.Bool("update", false, "write docs/commands.md instead of comparing it")

const commandsPath = "../../docs/commands.md"

const commandsHead = `# Commands

<!-- Generated from cmd/worker by "go generate ./cmd/worker". Do not edit. -->

` + "`make build`" + ` leaves the program at ` + "`bin/worker`" + `. What a command finds out goes to stdout, words about it to stderr.
` + "`worker COMMAND --help`" + ` shows what stands here.

| exit code | means |
|---|---|
| 0 | all went well |
| 1 | it failed |
| 2 | the command line is wrong |
| 3 | a part failed |
| 4 | there is no such thing |
| 6 | something that it needs cannot be reached |
| 78 | the configuration is bad |

`

// exitCodes says what the codes of a command mean, beside 0, 1 and 2, where that is not in its help text.
var exitCodes = map[string]string{
	"worker run":                "0 stopped after a drain; 1 stopped at once by a second signal, or failed; 6 topics are missing, the ledger is locked by another process, or the ops listener cannot listen; 78 the configuration is bad",
	"worker demo":               "0 stopped; 1 failed",
	"worker simulator":          "0 stopped; 1 cannot listen; 78 the secret or a schema cannot be read",
	"worker topics create":      "0 all topics are there; 1 none could be created; 3 some could not be created; 6 Kafka does not answer; 78 the configuration is bad",
	"worker dedup stats":        "4 there is no ledger yet; 6 Redis does not answer; 78 the configuration is bad",
	"worker dedup accept-reset": "0 accepted, or there was nothing to accept; 6 Redis does not answer; 78 the configuration is bad",
	"worker broker":             "0 stopped; 1 cannot listen; 78 the configuration is bad",
	"worker schemas list":       "78 the configuration or a schema is bad",
	"worker schemas show":       "4 there is no such type; 78 the configuration or a schema is bad",
	"worker schemas validate":   "0 all events are good; 1 all are bad or there is none; 3 some are bad; 78 the configuration or a schema is bad",
	"worker config print":       "78 the configuration is bad",
	"worker config example":     "",
	"worker config schema":      "",
	"worker version":            "",
	"worker completion":         "",
}

func TestCommandsDocument(t *testing.T) {
	want, err := commandsDocument()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(commandsPath, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(commandsPath)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/commands.md is stale; renew it with: go generate ./cmd/worker")
	}
}

// commandsDocument writes every command with what its help text says.
func commandsDocument() ([]byte, error) {
	root := newRootCommand(&cli{stdin: strings.NewReader(""), stdout: io.Discard, stderr: io.Discard})
	var list, sections strings.Builder
	list.WriteString("Every command has these flags:\n\n")
	writeFlags(&list, root.PersistentFlags())
	list.WriteString("\n| command | |\n|---|---|\n")
	var err error
	unused := map[string]bool{}
	for path := range exitCodes {
		unused[path] = true
	}
	eachCommand(root, func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		fmt.Fprintf(&list, "| [`%s`](#%s) | %s |\n", path, strings.ReplaceAll(path, " ", "-"), strings.TrimSuffix(cmd.Short, "."))
		codes, known := exitCodes[path]
		inHelp := strings.Contains(cmd.Long, "Exit codes: ")
		if !known && !inHelp {
			err = fmt.Errorf("%s: nothing is known about its exit codes: neither its help text nor exitCodes has them", path)
		}
		delete(unused, path)
		writeCommand(&sections, cmd)
		if codes != "" && !inHelp {
			fmt.Fprintf(&sections, "\nExit codes: %s.\n", codes)
		}
	})
	for path := range unused {
		err = fmt.Errorf("exitCodes has %s, and there is no such command", path)
	}
	return []byte(commandsHead + list.String() + sections.String()), err
}

// eachCommand visits the commands that do something, in the order of their names.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command)) {
	if cmd.Hidden {
		return
	}
	if !cmd.HasSubCommands() {
		visit(cmd)
	}
	for _, sub := range cmd.Commands() {
		eachCommand(sub, visit)
	}
}

func writeCommand(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n", cmd.CommandPath())
	if cmd.Long != "" {
		writeWords(b, cmd.Long)
	} else {
		b.WriteString(strings.TrimSuffix(cmd.Short, ".") + ".\n")
	}
	fmt.Fprintf(b, "\n```text\n%s\n```\n", cmd.UseLine())
	if cmd.LocalNonPersistentFlags().HasAvailableFlags() {
		b.WriteByte('\n')
		writeFlags(b, cmd.LocalNonPersistentFlags())
	}
	fmt.Fprintf(b, "\n```sh\n%s\n```\n", strings.TrimRight(unindented(cmd.Example), "\n "))
}

// writeWords writes a help text. Paragraphs with indented lines stay as they are.
func writeWords(b *strings.Builder, text string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		if strings.HasPrefix(paragraph, " ") || strings.Contains(paragraph, "\n ") {
			fmt.Fprintf(b, "```text\n%s\n```\n", paragraph)
			continue
		}
		b.WriteString(strings.NewReplacer("<", "&lt;", "*", "\\*").Replace(paragraph) + "\n")
	}
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	b.WriteString("| flag | type | default | meaning |\n|---|---|---|---|\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, f.Value.Type(), def, strings.ReplaceAll(f.Usage, "|", "\\|"))
	})
}

// unindented takes two spaces off each line.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
