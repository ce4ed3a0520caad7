package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/toprelay/worker/internal/config"
	"github.com/toprelay/worker/schemas"
)

// configFlags are the flags of commands that read the configuration, beside the global --config.
type configFlags struct {
	c    *cli
	sets []string
}

// addConfigFlags gives cmd the flag --set.
func addConfigFlags(c *cli, cmd *cobra.Command) *configFlags {
	f := &configFlags{c: c}
	cmd.Flags().StringArrayVar(&f.sets, "set", nil, "set a key of the configuration, such as --set kafka.group_id=test (repeatable)")
	return f
}

// load reads the configuration and checks no more than its form. Its errors exit with exitConfig.
func (f *configFlags) load() (*config.Config, error) {
	cfg, err := config.Load(config.Options{Path: f.c.configPath, Env: os.Environ(), Sets: f.sets})
	return cfg, withCode(exitConfig, err)
}

// loadKafka reads the configuration for a command that needs Kafka only.
func (f *configFlags) loadKafka() (*config.Config, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	if err := cfg.ValidateKafka(); err != nil {
		return nil, withCode(exitConfig, err)
	}
	return cfg, nil
}

// loadCatalogue reads the configuration for a command that needs the schemas only.
func (f *configFlags) loadCatalogue() (*config.Config, *schemas.Catalogue, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	known, err := catalogueOf(cfg)
	if err != nil {
		return nil, nil, withCode(exitConfig, err)
	}
	return cfg, known, nil
}

// catalogueOf loads the schemas that the configuration names. The error is of type config.Problems.
func catalogueOf(cfg *config.Config) (*schemas.Catalogue, error) {
	known, err := schemas.Load(cfg.SchemasDir)
	if err != nil {
		return nil, config.Problems{{Place: cfg.Source("schemas_dir"), Key: "schemas_dir", Message: err.Error()}}
	}
	return known, nil
}

func newConfigCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration, an example, or its JSON Schema",
		Long: `Shows the configuration that is in force, an example file with comments, or the JSON Schema of the file.

Later ones win: defaults, the file of --config or TOPRELAY_CONFIG, variables such as TOPRELAY_KAFKA__GROUP_ID,
--set flags. docs/configuration.md describes every key.`,
		Example: `  worker config example > toprelay.yaml
  worker config print --config toprelay.yaml
  TOPRELAY_KAFKA__GROUP_ID=test worker config print --config toprelay.yaml --set log.level=debug
  worker config schema > toprelay.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigPrintCommand(c), newConfigExampleCommand(c), newConfigSchemaCommand(c))
	return cmd
}

func newConfigPrintCommand(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "print",
		Short: "Print the configuration in force, and where each value comes from",
		Long: `Prints the configuration in force as YAML, and behind each value that was set where that was. It can be
loaded again. Secrets are not printed, only the names of their files. With -o json it is one JSON object.

The configuration is checked as 'worker run' does: what is wrong goes to stderr, and the exit code is 78.`,
		Example: `  worker config print --config toprelay.yaml
  worker config print --config toprelay.yaml -o json | jq .kafka.brokers`,
		Args: cobra.NoArgs,
	}
	flags := addConfigFlags(c, cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		cfg, err := flags.load()
		if err != nil {
			return err
		}
		text := cfg.YAML()
		if c.output == "json" {
			if text, err = cfg.JSON(); err != nil {
				return err
			}
		}
		if _, err := c.stdout.Write(text); err != nil {
			return fmt.Errorf("writing the configuration: %w", err)
		}
		known, err := catalogueOf(cfg)
		if err != nil {
			return withCode(exitConfig, err)
		}
		return withCode(exitConfig, cfg.Validate(known))
	}
	return cmd
}

func newConfigExampleCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:     "example",
		Short:   "Print a configuration file with comments, to begin with",
		Example: "  worker config example > toprelay.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.output == "json" {
				return withCode(exitUsage, errors.New("the example is YAML with comments; there is no -o json of it"))
			}
			_, err := c.stdout.Write(config.Example())
			return err
		},
	}
}

func newConfigSchemaCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema (2020-12) of the configuration file, for editors",
		Example: `  worker config schema > toprelay.schema.json
  # then, as the first line of toprelay.yaml, for editors with a YAML language server:
  # yaml-language-server: $schema=toprelay.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := c.stdout.Write(config.Schema())
			return err
		},
	}
}
