// Package docs checks what the documents say against the product: links, configuration keys, metrics, headers, events,
// paths and make targets. The command lines in the documents are checked in cmd/worker, which alone has the commands.
package docs
