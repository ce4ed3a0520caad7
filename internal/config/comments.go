package config

import (
	"embed"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
)

// structFiles holds the files with the structs: their comments are the documentation of the keys.
//
//go:embed config.go kafka.go top.go worker.go
var structFiles embed.FS

// comments reads the comments of all struct fields, by "Type.Field".
func comments() map[string]string {
	found := map[string]string{}
	entries, err := structFiles.ReadDir(".")
	if err != nil {
		panic("config: embedded sources: " + err.Error()) // cannot happen: they are in the binary
	}
	for _, e := range entries {
		text, err := structFiles.ReadFile(e.Name())
		if err != nil {
			panic("config: embedded sources: " + err.Error())
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			panic("config: embedded sources: " + err.Error())
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						found[spec.Name.Name+"."+name.Name] = f.Doc.Text()
					}
				}
			}
			return false
		})
	}
	return found
}

// splitComment parts a field's comment into what the key means and what is refused, each on one line.
func splitComment(text string) (doc, refused string) {
	doc, refused, _ = strings.Cut(text, "\n\nRefused: ")
	return strings.Join(strings.Fields(doc), " "), strings.Join(strings.Fields(refused), " ")
}
