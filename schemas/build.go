package schemas

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/toprelay/worker/internal/redact"
)

const (
	draft      = "https://json-schema.org/draft/2020-12/schema"
	dateFormat = "top-date-time"
	jsonMedia  = "application/json"
)

// The keywords that may stand where a field is described. Any other is refused, so that a misspelt one is not a rule
// that silently never holds.
var (
	fieldKeywords = []string{"type", "title", "description", "examples", "deprecated", "$comment", "x-pii"}
	kindKeywords  = map[Kind][]string{
		KindString:  {"enum", "minLength", "maxLength", "pattern"},
		KindNumber:  {"enum", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
		KindBoolean: {},
		KindDate:    {"format", "pattern"},
		KindJSON:    {"contentMediaType"},
		KindObject:  append([]string{"properties", "required", "additionalProperties"}, ruleKeywords...),
		KindList:    {"items", "minItems", "maxItems", "uniqueItems", "x-item-name"},
		KindAny:     {},
	}
	rootKeywords = []string{"$schema", "$id", "$defs", "x-top"}
	ruleKeywords = []string{"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "minProperties", "maxProperties"}
	// valueKeywords may stand in a rule about a field, beside ruleKeywords, properties, required and items.
	valueKeywords = []string{"description", "$comment", "type", "enum", "const", "minLength", "maxLength", "pattern", "minimum",
		"maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems"}
)

// maxDepth bounds how deep fields and references nest, so that a schema that refers to itself is an error and no endless
// loop.
const maxDepth = 32

// builder turns the description of fields into the tree of Fields.
type builder struct {
	root  *node
	depth int // of the field that is being built
}

func buildRoot(doc *node) (*Field, error) {
	if version := doc.get("$schema"); version == nil || version.value != draft {
		return nil, doc.errorf(`"$schema" must be %q`, draft)
	}
	b := &builder{root: doc}
	f, err := b.field("", doc, true, "")
	if err != nil {
		return nil, err
	}
	if f.Kind != KindObject {
		return nil, doc.errorf("data is a JSON object: the type must be object")
	}
	return f, nil
}

// field builds the field that n describes. pii is what the field above hands down.
func (b *builder) field(name string, n *node, root bool, pii string) (*Field, error) {
	if b.depth++; b.depth > maxDepth {
		return nil, n.errorf("fields nest more than %d deep", maxDepth)
	}
	defer func() { b.depth-- }()
	keywords, err := b.resolve(n, 0)
	if err != nil {
		return nil, err
	}
	f := &Field{Name: name, PII: pii}
	if f.Kind, err = kindOf(keywords, n); err != nil {
		return nil, err
	}
	for _, k := range keywords {
		allowed := slices.Contains(fieldKeywords, k.name) || slices.Contains(kindKeywords[f.Kind], k.name) ||
			root && slices.Contains(rootKeywords, k.name)
		if !allowed {
			return nil, k.node.errorf("the keyword %q is not known for a %s", k.name, f.Kind)
		}
	}
	if err := b.annotate(f, keywords); err != nil {
		return nil, err
	}
	switch f.Kind {
	case KindObject:
		return f, b.object(f, keywords, n)
	case KindList:
		return f, b.list(f, keywords, n)
	default:
		return f, nil
	}
}

// resolve returns the keywords of n; those of a local $ref come first and are overridden by what stands beside it.
func (b *builder) resolve(n *node, depth int) ([]member, error) {
	if err := n.object(); err != nil {
		return nil, err
	}
	ref := n.get("$ref")
	if ref == nil {
		return n.members, nil
	}
	target, _ := ref.value.(string)
	names, ok := splitPointer(strings.TrimPrefix(target, "#"))
	if !strings.HasPrefix(target, "#/") || !ok {
		return nil, ref.errorf(`a reference must be local, such as "#/$defs/date": nothing is fetched`)
	}
	to := b.root
	for _, name := range names {
		if to = to.get(name); to == nil {
			return nil, ref.errorf("%q leads nowhere", target)
		}
	}
	if depth > maxDepth {
		return nil, ref.errorf("%q refers to itself", target)
	}
	keywords, err := b.resolve(to, depth+1)
	if err != nil {
		return nil, err
	}
	keywords = slices.Clone(keywords)
	for _, m := range n.members {
		if m.name == "$ref" {
			continue
		}
		if i := slices.IndexFunc(keywords, func(k member) bool { return k.name == m.name }); i >= 0 {
			keywords[i] = m
		} else {
			keywords = append(keywords, m)
		}
	}
	return keywords, nil
}

func find(keywords []member, name string) *node {
	for i := range keywords {
		if keywords[i].name == name {
			return keywords[i].node
		}
	}
	return nil
}

// kindOf reads the wire type of a field.
func kindOf(keywords []member, n *node) (Kind, error) {
	at := find(keywords, "type")
	if at == nil {
		return 0, n.errorf(`"type" is missing`)
	}
	format, media := find(keywords, "format"), find(keywords, "contentMediaType")
	types := []string{}
	if at.isList {
		list, err := at.texts()
		if err != nil {
			return 0, err
		}
		types = slices.Sorted(slices.Values(list))
	} else if one, err := at.text(); err != nil {
		return 0, err
	} else {
		types = append(types, one)
	}
	switch strings.Join(types, " ") {
	case "string":
		if format == nil {
			return KindString, nil
		}
		if format.value != dateFormat {
			return 0, format.errorf("the only format of a string that is checked is %q", dateFormat)
		}
		return KindDate, nil
	case "integer":
		if format != nil && format.value != "int64" {
			return 0, format.errorf(`the format of an integer is "int64"`)
		}
		return KindNumber, nil
	case "boolean":
		return KindBoolean, nil
	case "object":
		return KindObject, nil
	case "array":
		return KindList, nil
	case "integer string":
		return KindAny, nil
	case "array object string":
		if media == nil || media.value != jsonMedia {
			return 0, at.errorf(`the type Json needs "contentMediaType": %q`, jsonMedia)
		}
		return KindJSON, nil
	default:
		return 0, at.errorf(`this type is not supported; there are string, integer, boolean, object, array, `+
			`["integer","string"], and ["object","array","string"] with "contentMediaType": %q`, jsonMedia)
	}
}

// annotate reads what is shown to people, and the mark of personal data.
func (b *builder) annotate(f *Field, keywords []member) error {
	for _, k := range keywords {
		var err error
		switch k.name {
		case "description":
			f.Description, err = k.node.text()
		case "deprecated":
			f.Deprecated, err = k.node.boolean()
		case "maxLength":
			f.MaxLength, err = k.node.count()
		case "maxItems":
			f.MaxItems, err = k.node.count()
		case "enum":
			err = enumerate(f, k.node)
		case "x-pii":
			if f.PII, err = k.node.text(); err == nil && !slices.Contains(redact.Kinds(), f.PII) {
				err = k.node.errorf("kinds of personal data are %s", strings.Join(redact.Kinds(), ", "))
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// enumerate reads the values that a String or a Number may have.
func enumerate(f *Field, n *node) error {
	if !n.isList || len(n.items) == 0 {
		return n.errorf("a list of the allowed values is expected")
	}
	for _, item := range n.items {
		switch v := item.value.(type) {
		case string:
			if f.Kind != KindString {
				return item.errorf("a %s is expected", f.Kind)
			}
			f.Enum = append(f.Enum, v)
		case json.Number:
			if f.Kind != KindNumber || !isCanonical(string(v)) {
				return item.errorf("a %s is expected, a number in plain decimal digits", f.Kind)
			}
			f.Enum = append(f.Enum, string(v))
		default:
			return item.errorf("only Strings and Numbers have a list of values")
		}
	}
	return nil
}

// count reads a small number.
func (n *node) count() (int, error) {
	number, _ := n.value.(json.Number)
	i, err := number.Int64()
	if err != nil || i < 0 || i > 1<<31 {
		return 0, n.errorf("a number of 0 and more is expected")
	}
	return int(i), nil
}

// literal is the text of a leaf in an enumeration.
func literal(n *node) string {
	switch v := n.value.(type) {
	case string:
		return v
	case json.Number:
		return string(v)
	case bool:
		if v {
			return "true"
		}
		return "false"
	default:
		return ""
	}
}
