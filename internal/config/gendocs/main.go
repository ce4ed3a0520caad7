// Command gendocs writes docs/configuration.md; `go generate ./internal/config` runs it.
package main

import (
	"fmt"
	"os"

	"github.com/toprelay/worker/internal/config"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: gendocs FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], config.Markdown(), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "gendocs:", err)
		os.Exit(1)
	}
}
