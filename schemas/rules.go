package schemas

import (
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The walk of check.go proves the types and refuses unknown fields, because it has to know both anyhow. What a schema
// says beyond that (what is required, enumerations, lengths, rules between fields) is left to the JSON Schema library,
// which gets the schema without what is proved already: checking the type of an integer alone costs it half a microsecond
// and four allocations.

// compileRules compiles the schema as it stands, for its defects, and then what is left of it to check.
func compileRules(doc *node) (*jsonschema.Schema, error) {
	whole, ok := doc.plain().(map[string]any)
	if !ok {
		return nil, doc.object()
	}
	if _, err := compile(whole); err != nil {
		return nil, err
	}
	b := &builder{root: doc}
	rest, err := b.rest(doc)
	if err != nil {
		return nil, err
	}
	if rest == nil {
		rest = map[string]any{}
	}
	rest["$schema"] = draft
	return compile(rest)
}

// location is where the library finds the schema that it compiles. Nothing is ever fetched.
const location = "schema:///data"

// noLoader refuses to fetch anything.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is not local: nothing is fetched", url)
}

func compile(doc map[string]any) (*jsonschema.Schema, error) {
	doc = maps.Clone(doc)
	delete(doc, "$id") // or it would be the base of local references
	c := jsonschema.NewCompiler()
	c.UseLoader(noLoader{})
	if err := c.AddResource(location, doc); err != nil {
		return nil, fmt.Errorf("add the schema: %w", err)
	}
	s, err := c.Compile(location)
	if err != nil {
		return nil, fmt.Errorf("compile the schema: %w", err)
	}
	return s, nil
}

// rest is the part of a field's description that the walk does not prove, nil where it proves all of it. References are
// resolved, rules are taken as they are.
func (b *builder) rest(n *node) (map[string]any, error) {
	keywords, err := b.resolve(n, 0)
	if err != nil {
		return nil, err
	}
	kind, err := kindOf(keywords, n)
	if err != nil {
		return nil, err
	}
	rest := map[string]any{}
	for _, k := range keywords {
		switch k.name {
		case "properties":
			left := map[string]any{}
			for _, m := range k.node.members {
				child, err := b.rest(m.node)
				if err != nil {
					return nil, err
				}
				if child != nil {
					left[m.name] = child
				}
			}
			if len(left) > 0 {
				rest["properties"] = left
			}
		case "items":
			item, err := b.rest(k.node)
			if err != nil {
				return nil, err
			}
			if item != nil {
				rest["items"] = item
			}
		case "pattern":
			if kind != KindDate {
				rest["pattern"] = k.node.plain()
			}
		case "required", "enum", "const", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
			"multipleOf", "minItems", "maxItems", "uniqueItems":
			rest[k.name] = k.node.plain()
		default:
			if slices.Contains(ruleKeywords, k.name) {
				rest[k.name] = k.node.plain()
			}
		}
	}
	if len(rest) == 0 {
		return nil, nil
	}
	return rest, nil
}
