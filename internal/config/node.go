package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// nodeType is what a node is by the core schema of YAML 1.2. The parser's own tags are partly those of YAML 1.1: to it
// 1_000 and 2026-01-02 are no texts.
type nodeType uint8

const (
	typeNull nodeType = iota + 1
	typeBool
	typeInt
	typeFloat
	typeText
	typeList
	typeSection
	typeAlias
)

var (
	intForm   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatForm = regexp.MustCompile(`^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

func typeOf(n *yaml.Node) nodeType {
	switch n.Kind {
	case yaml.MappingNode:
		return typeSection
	case yaml.SequenceNode:
		return typeList
	case yaml.AliasNode:
		return typeAlias
	}
	if n.Style != 0 { // in quotes, or a block
		return typeText
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return typeNull
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return typeBool
	}
	switch {
	case intForm.MatchString(n.Value):
		return typeInt
	case floatForm.MatchString(n.Value):
		return typeFloat
	}
	return typeText
}

func isNull(n *yaml.Node) bool { return typeOf(n) == typeNull }

func isMergeKey(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "<<"
}

// scalar is the text of a node, if the node is of a type that the key takes. A number where a text is needed is the text as
// it is written: an app key that is 0123 in the file has four digits. A boolean or null there is more likely a mistake.
func (k *key) scalar(n *yaml.Node) (string, error) {
	typ := typeOf(n)
	switch {
	case typ == typeNull && k.kind == kindText && n.Value != "":
		return "", fmt.Errorf("the key has no value; if the text is meant put it in quotes, %s, else remove the key", quote(n.Value))
	case typ == typeNull:
		return "", errors.New("the key has no value; give one or remove the key")
	case typ == typeBool && k.kind == kindBool:
		return strings.ToLower(n.Value), nil
	case typ == typeBool && k.kind == kindText:
		return "", fmt.Errorf("a text is needed here, not a boolean: put it in quotes, %s", quote(n.Value))
	case typ == typeInt && k.kind == kindDuration && n.Value != "0":
		return "", fmt.Errorf("a duration needs a unit: write for example %ss", n.Value)
	case k.takes(typ):
		return n.Value, nil
	case typ == typeText:
		return "", fmt.Errorf("a %s is needed here, not the text %s", k.what(), quote(n.Value))
	default:
		return "", fmt.Errorf("a %s is needed here, not %s", k.what(), nodeName(n))
	}
}

// takes says whether the key's value may be written as a scalar of the type.
func (k *key) takes(typ nodeType) bool {
	switch k.kind {
	case kindText:
		return typ == typeText || typ == typeInt || typ == typeFloat
	case kindInt:
		return typ == typeInt
	case kindFloat:
		return typ == typeInt || typ == typeFloat
	case kindDuration, kindSize:
		return typ == typeText || typ == typeInt
	default:
		return false
	}
}

// start is the node that a reader takes for the beginning: of a mapping in lines its first key, not an anchor before it.
func start(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.MappingNode && n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0 {
		return n.Content[0]
	}
	return n
}

// nodeName says what a node is, for errors.
func nodeName(n *yaml.Node) string {
	switch typeOf(n) {
	case typeSection:
		return "a section"
	case typeList:
		return "a list"
	case typeNull:
		return "nothing"
	case typeBool:
		return "a boolean"
	case typeInt, typeFloat:
		return "a number"
	case typeText:
		return "a text"
	default:
		return "an alias"
	}
}

// invalidAt is the index of the first byte that is not UTF-8.
func invalidAt(text []byte) int {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return len(text)
}
