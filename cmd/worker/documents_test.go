package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/test/docs/markdown"
)

// shells are the languages of blocks that hold command lines.
var shells = map[string]bool{"sh": true, "bash": true, "shell": true, "console": true}

// TestCommandLinesInDocuments takes every command line of the worker out of the documents, and out of the examples of the
// help texts, and checks that the command exists and takes those flags and arguments.
func TestCommandLinesInDocuments(t *testing.T) {
	files, err := markdown.Files("../..")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, f := range files {
		for _, b := range f.Blocks() {
			if !shells[b.Language] {
				continue
			}
			for _, words := range markdown.Commands(b.Text) {
				if args, ok := workerArgs(words); ok {
					found++
					if err := parses(args, true); err != nil {
						t.Errorf("%s, block at line %d: worker %s: %v", f.Path, b.Line, strings.Join(args, " "), err)
					}
				}
			}
		}
		for _, s := range f.Spans() {
			for _, words := range markdown.Commands(s.Text) {
				if args, ok := workerArgs(words); ok && len(args) > 0 {
					found++
					if err := parses(args, false); err != nil {
						t.Errorf("%s:%d: worker %s: %v", f.Path, s.Line, strings.Join(args, " "), err)
					}
				}
			}
		}
	}
	eachCommand(newRootCommand(&cli{stdout: io.Discard, stderr: io.Discard}), func(cmd *cobra.Command) {
		for _, words := range markdown.Commands(cmd.Example) {
			if args, ok := workerArgs(words); ok {
				found++
				if err := parses(args, true); err != nil {
					t.Errorf("example of %s: worker %s: %v", cmd.CommandPath(), strings.Join(args, " "), err)
				}
			}
		}
	})
	if found < 50 {
		t.Errorf("only %d command lines were found", found)
	}
}

var (
	assignment  = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*=`)
	placeholder = regexp.MustCompile(`^[A-Z]{3,}$`)
)

// workerArgs returns the arguments of a command line that runs the worker.
func workerArgs(words []string) ([]string, bool) {
	for len(words) > 0 && assignment.MatchString(words[0]) {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "worker" && words[0] != "bin/worker" && words[0] != "./worker" {
		return nil, false
	}
	args := words[1:]
	if len(args) > 0 && placeholder.MatchString(args[0]) { // worker COMMAND --help
		return nil, false
	}
	return args, true
}

// parses parses a command line as the program does, without running it. complete says that the required arguments must be
// there: prose names commands without them.
func parses(args []string, complete bool) error {
	c := &cli{stdout: io.Discard, stderr: io.Discard}
	root := newRootCommand(c)
	root.InitDefaultHelpCmd()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	if cmd.Name() == "help" {
		return nil
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if positional := cmd.Flags().Args(); complete || len(positional) > 0 {
		if err := cmd.ValidateArgs(positional); err != nil {
			return err
		}
	}
	if sets, err := cmd.Flags().GetStringArray("set"); err == nil {
		if _, err := config.Load(config.Options{Sets: sets}); err != nil {
			return err
		}
	}
	return root.PersistentPreRunE(cmd, nil)
}

func TestParses(t *testing.T) {
	for _, tt := range []struct {
		line     string
		complete bool
		ok       bool
	}{
		{"run --config a.yaml --set kafka.group_id=b", true, true},
		{"run --set kafka.group=b", true, false},
		{"run --confg a.yaml", true, false},
		{"run now", true, false},
		{"rn", false, false},
		{"topics", true, true},
		{"topics creat", false, false},
		{"publish", true, false},
		{"publish", false, true},
		{"publish - -o yaml", true, false},
		{"schemas show", false, true},
		{"help run", true, true},
	} {
		if err := parses(strings.Fields(tt.line), tt.complete); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.line, err)
		}
	}
}

// TestEventOfReadme publishes the event of the README as the README does, but for Kafka.
func TestEventOfReadme(t *testing.T) {
	event := readmeEvent(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "toprelay.yaml")
	if err := os.WriteFile(path, []byte("kafka:\n  brokers: [127.0.0.1:1]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := worker(t, event, "publish", "--config", path, "--dry-run", "-")
	if code != exitOK {
		t.Errorf("publish exits with %d: %s", code, stderr)
	}
	if code, _, _ := worker(t, strings.Replace(event, `"data"`, `"dat"`, 1), "publish", "--config", path, "--dry-run", "-"); code == exitOK {
		t.Error("the same event without data is accepted too")
	}
}

// readmeEvent is what the README's command line writes into worker publish.
func readmeEvent(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range (markdown.File{Text: string(readme)}).Blocks() {
		commands := markdown.Commands(b.Text)
		for i, words := range commands {
			if words[0] == "echo" && i+2 < len(commands) && fmt.Sprint(commands[i+1]) == `[tr -d \n]` {
				if args, ok := workerArgs(commands[i+2]); ok && len(args) > 0 && args[0] == "publish" {
					return strings.ReplaceAll(strings.Join(words[1:], " "), "\n", "")
				}
			}
		}
	}
	t.Fatal("the README has no line `echo '…' | tr -d '\\n' | worker publish`")
	return ""
}
