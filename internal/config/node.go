package config

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

var digits = regexp.MustCompile(`^[0-9]+$`)

// scalar is the text of a node, if the node is of a type that the key takes. A text must be text in the file, not a number
// or a boolean, whose spelling YAML does not keep; only codes may be bare digits.
func (k *key) scalar(n ast.Node) (string, error) {
	if n.Type() == ast.NullType {
		return "", errors.New("the key has no value; give one or remove the key")
	}
	written := ""
	if n.GetToken() != nil {
		written = n.GetToken().Value
	}
	switch x := n.(type) {
	case *ast.StringNode:
		if k.kind == kindText || k.kind == kindDuration || k.kind == kindSize {
			return x.Value, nil
		}
		return "", fmt.Errorf("a %s is needed here, not the text %s", k.what(), quote(x.Value))
	case *ast.LiteralNode:
		if k.kind == kindText && x.Value != nil {
			return x.Value.Value, nil
		}
	case *ast.BoolNode:
		if k.kind == kindBool {
			return fmt.Sprint(x.Value), nil
		}
	case *ast.IntegerNode:
		switch k.kind {
		case kindInt, kindFloat, kindSize:
			return written, nil
		case kindDuration:
			if written == "0" {
				return written, nil
			}
			return "", fmt.Errorf("a duration needs a unit: write for example %ss", written)
		case kindText:
			if k.format == "code" && digits.MatchString(written) {
				return written, nil
			}
		default: // said below
		}
	case *ast.FloatNode:
		if k.kind == kindFloat {
			return written, nil
		}
	}
	if k.kind == kindText && written != "" && !isMapping(n) && n.Type() != ast.SequenceType {
		return "", fmt.Errorf("a text is needed here, not %s: put it in quotes, %s", nodeName(n), quote(written))
	}
	return "", fmt.Errorf("a %s is needed here, not %s", k.what(), nodeName(n))
}

// mapping lists the pairs of a mapping node.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch x := n.(type) {
	case *ast.MappingNode:
		return x.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{x}, true
	}
	return nil, false
}

// start is the node that a reader takes for the beginning: of a mapping in lines its first key, not the colon.
func start(n ast.Node) ast.Node {
	if m, ok := n.(*ast.MappingNode); ok && m.IsFlowStyle {
		return n
	}
	if values, ok := mapping(n); ok && len(values) > 0 {
		return values[0].Key
	}
	return n
}

func isMapping(n ast.Node) bool {
	_, ok := mapping(n)
	return ok
}

// keyName is the text of a key as it is written.
func keyName(k ast.MapKeyNode) (string, bool) {
	var n ast.Node = k
	if mk, ok := n.(*ast.MappingKeyNode); ok { // "? key"
		n = mk.Value
	}
	if a, ok := n.(*ast.AnchorNode); ok {
		n = a.Value
	}
	switch x := n.(type) {
	case *ast.StringNode:
		return x.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return x.GetToken().Value, true
	}
	return "", false
}

// nodeName says what a node is, for errors.
func nodeName(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "a section"
	case ast.SequenceType:
		return "a list"
	case ast.NullType:
		return "nothing"
	case ast.BoolType:
		return "a boolean"
	case ast.IntegerType, ast.FloatType, ast.InfinityType, ast.NanType:
		return "a number"
	case ast.StringType, ast.LiteralType:
		return "a text"
	default:
		return "this"
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
