package schemas

import (
	"fmt"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The walk (walk.go) proves the types and enumerations and refuses unknown fields, because it has each value in its hands
// anyhow. What a schema says beyond that (what is required, lengths, rules between fields) is left to the JSON Schema
// library, which gets the schema without what is proved already: checking the type of an integer alone costs it half a
// microsecond and four allocations.

// compileRules compiles the schema as it stands, for its defects, and then what is left of it to check.
func compileRules(root *Field, doc *node) (*jsonschema.Schema, error) {
	whole, ok := doc.plain().(map[string]any)
	if !ok {
		return nil, doc.object()
	}
	if _, err := compile(whole); err != nil {
		return nil, err
	}
	b := &builder{root: doc}
	rest, err := b.rest(root, doc)
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
// resolved.
func (b *builder) rest(f *Field, n *node) (map[string]any, error) {
	keywords, err := b.resolve(n, 0)
	if err != nil {
		return nil, err
	}
	rest := map[string]any{}
	for _, k := range keywords {
		switch k.name {
		case "properties":
			left := map[string]any{}
			for _, m := range k.node.members {
				child, err := b.rest(f.Member(m.name), m.node)
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
			item, err := b.rest(f.Item, k.node)
			if err != nil {
				return nil, err
			}
			if item != nil {
				rest["items"] = item
			}
		case "allOf":
			if left := restOfAll(f, k.node); left != nil {
				rest["allOf"] = left
			}
		case "pattern":
			if f.Kind != KindDate {
				rest["pattern"] = k.node.plain()
			}
		case "required", "minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
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

// restOfAll is what is left of an allOf. In the place of a rule that the walk checks stands true: the others keep their
// places, by which their words are found.
func restOfAll(f *Field, all *node) []any {
	rules := make([]any, 0, len(all.items))
	checked := 0
	for _, rule := range all.items {
		if _, ok := readCondition(f, rule); ok {
			rules = append(rules, true)
			checked++
			continue
		}
		rules = append(rules, rule.plain())
	}
	if checked == len(rules) {
		return nil
	}
	return rules
}
