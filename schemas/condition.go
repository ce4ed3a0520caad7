package schemas

import "slices"

// condition is the one kind of rule that the API pages are full of: when a text has one of these values, those fields are
// required. The walk checks it itself: four of them cost the JSON Schema library three times what all the rest of a check
// costs. Any other rule is the library's.
type condition struct {
	field    string
	values   []string
	required []string
	words    string
}

// readCondition reads a rule of an allOf that has just this form, and no other:
//
//	{"description": …, "if": {"required": [F], "properties": {F: {"const": V}}}, "then": {"required": […]}}
//
// with "enum": […] in the place of "const" too.
func readCondition(f *Field, rule *node) (condition, bool) {
	var c condition
	when, then := rule.get("if"), rule.get("then")
	if when == nil || then == nil || !onlyMembers(rule, "description", "if", "then") ||
		!onlyMembers(when, "required", "properties") || !onlyMembers(then, "required") {
		return c, false
	}
	properties := when.get("properties")
	if properties == nil || len(properties.members) != 1 || then.get("required") == nil {
		return c, false
	}
	on := properties.members[0]
	named := when.get("required")
	if named == nil || len(named.items) != 1 || named.items[0].value != on.name {
		return c, false
	}
	if about := f.Member(on.name); about == nil || about.Kind != KindString || len(on.node.members) != 1 {
		return c, false
	}
	values := []*node{on.node.get("const")}
	if values[0] == nil {
		if enum := on.node.get("enum"); enum != nil {
			values = enum.items
		}
	}
	for _, value := range values {
		if value == nil {
			return c, false
		}
		text, is := value.value.(string)
		if !is {
			return c, false
		}
		c.values = append(c.values, text)
	}
	for _, item := range then.get("required").items {
		c.required = append(c.required, literal(item))
	}
	c.field = on.name
	if words := rule.get("description"); words != nil {
		c.words = literal(words)
	}
	return c, len(c.values) > 0
}

func onlyMembers(n *node, names ...string) bool {
	for _, m := range n.members {
		if !slices.Contains(names, m.name) {
			return false
		}
	}
	return n.isObj
}

// conditions checks the conditions of a struct on what is sent of it.
func (w *walk) conditions(f *Field, s *sent) bool {
	out := s.in
	if s.own != nil {
		out = s.own
	}
	for i := range f.conditions {
		c := &f.conditions[i]
		text, is := out[c.field].(string)
		if !is || !slices.Contains(c.values, text) {
			continue
		}
		for _, name := range c.required {
			if _, is := out[name]; is {
				continue
			}
			w.path = append(w.path, step{name: name, index: -1})
			message := "is required"
			if c.words != "" {
				message += ": " + c.words
			}
			return w.refuse(message)
		}
	}
	return true
}
