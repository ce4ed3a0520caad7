package main

import "github.com/spf13/cobra"

// commands lists the commands in the order of the help text.
func commands(c *cli) []*cobra.Command {
	return []*cobra.Command{
		newRunCommand(c),
		newDemoCommand(c),
		newSimulatorCommand(c),
		newCheckCommand(c),
		newTopicsCommand(c),
		newPublishCommand(c),
		newDedupCommand(c),
		newBrokerCommand(c),
		newSchemasCommand(c),
		newConfigCommand(c),
		newVersionCommand(c),
		newCompletionCommand(c),
	}
}
