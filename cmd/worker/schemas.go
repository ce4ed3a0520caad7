package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/schemas"
)

func newSchemasCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schemas",
		Short: "List and show event types, and validate events",
		Long: `Lists the event types, shows the JSON Schema of one, and validates events as the worker would.

The types are the built-in ones and those of schemas_dir, where the configuration (--config, TOPRELAY_CONFIG,
TOPRELAY_SCHEMAS_DIR) names one.`,
		Example: `  worker schemas list
  worker schemas show top.workorder.sync.v1
  worker schemas validate events.jsonl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSchemasListCommand(c), newSchemasShowCommand(c), newSchemasValidateCommand(c))
	return cmd
}

// typeLine is one event type as `schemas list` shows it.
type typeLine struct {
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Method     string     `json:"method"`
	Encoding   string     `json:"encoding"`
	Session    bool       `json:"session"`
	Repeatable bool       `json:"repeatable"`
	Key        [][]string `json:"key"` // parts of the ordering key; of each the pointers, the first that is there counts
	ID         [][]string `json:"id"`  // parts of the idempotent id; empty: source and id of the event
}

func newSchemasListCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the event types with method, session, repeatability and ordering key",
		Example: `  worker schemas list
  worker schemas list -o json | jq -r '.[].method'
  worker schemas list --set schemas_dir=./my-schemas`,
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c, cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		_, known, err := flags.loadCatalogue()
		if err != nil {
			return err
		}
		lines := []typeLine{}
		for _, t := range known.Types() {
			lines = append(lines, typeLine{
				Type: t.Name, Title: t.Title, Method: t.Method, Encoding: string(t.Encoding),
				Session: t.Session, Repeatable: t.Repeatable, Key: pointersOf(t.Key), ID: pointersOf(t.ID),
			})
		}
		if c.output == "json" {
			e := json.NewEncoder(c.stdout)
			e.SetIndent("", "  ")
			return e.Encode(lines)
		}
		w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TYPE\tMETHOD\tSESSION\tREPEATABLE\tKEY")
		for _, l := range lines {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", l.Type, l.Method, yesNo(l.Session), yesNo(l.Repeatable), keyText(l.Key))
		}
		return w.Flush()
	}
	return cmd
}

func pointersOf(parts []schemas.KeyPart) [][]string {
	pointers := make([][]string, len(parts))
	for i, p := range parts {
		pointers[i] = p.Pointers
	}
	return pointers
}

// keyText writes a key for people: a + b for two parts, a else b for a part with two places.
func keyText(parts [][]string) string {
	texts := make([]string, len(parts))
	for i, pointers := range parts {
		names := make([]string, len(pointers))
		for j, p := range pointers {
			names[j] = strings.TrimPrefix(p, "/")
		}
		texts[i] = strings.Join(names, " else ")
	}
	return strings.Join(texts, " + ")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func newSchemasShowCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show TYPE",
		Short:   "Print the JSON Schema of an event type",
		Long:    "Prints the JSON Schema (2020-12) of an event type's data. Exit code 4: there is no such type.",
		Example: "  worker schemas show top.workorder.sync.v1 | jq .properties",
		Args:    cobra.ExactArgs(1),
	}
	flags := addConfigFlags(c, cmd)
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		var names []string
		if _, known, err := flags.loadCatalogue(); err == nil {
			for _, t := range known.Types() {
				names = append(names, t.Name)
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		_, known, err := flags.loadCatalogue()
		if err != nil {
			return err
		}
		t, ok := known.Type(args[0])
		if !ok {
			return withCode(exitNotFound, fmt.Errorf("there is no event type %q; 'worker schemas list' shows all", args[0]))
		}
		_, err = c.stdout.Write(t.Source)
		return err
	}
	return cmd
}
