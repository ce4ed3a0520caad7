package main

import "github.com/spf13/cobra"

func newCompletionCommand(c *cli) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the script that completes commands in a shell",
		Example: `  source <(worker completion bash)
  worker completion zsh > "${fpath[1]}/_worker"
  worker completion fish > ~/.config/fish/completions/worker.fish
  worker completion powershell | Out-String | Invoke-Expression`,
		Args:                  cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs:             []string{"bash", "zsh", "fish", "powershell"},
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(c.stdout, true)
			case "zsh":
				return root.GenZshCompletion(c.stdout)
			case "fish":
				return root.GenFishCompletion(c.stdout, true)
			default: // powershell, the last of ValidArgs
				return root.GenPowerShellCompletionWithDesc(c.stdout)
			}
		},
	}
}
