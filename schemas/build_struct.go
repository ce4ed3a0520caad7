package schemas

import (
	"cmp"
	"slices"
)

// object adds the fields of a struct, and checks that its rules speak of fields that exist.
func (b *builder) object(f *Field, keywords []member, n *node) error {
	closed := find(keywords, "additionalProperties")
	if closed == nil || closed.value != false {
		return n.errorf(`"additionalProperties": false is missing; whether unknown fields are refused is configured (unknown_fields)`)
	}
	properties := find(keywords, "properties")
	if properties == nil {
		return n.errorf(`"properties" is missing; a field that may hold any object has the type Json`)
	}
	if err := properties.object(); err != nil {
		return err
	}
	f.byName = make(map[string]*Field, len(properties.members))
	for _, m := range properties.members {
		if m.name == "" {
			return m.node.errorf("a field needs a name")
		}
		child, err := b.field(m.name, m.node, false, f.PII)
		if err != nil {
			return err
		}
		f.Fields = append(f.Fields, child)
		f.byName[m.name] = child
	}
	f.sorted = slices.SortedFunc(slices.Values(f.Fields), func(a, b *Field) int { return cmp.Compare(a.Name, b.Name) })
	if required := find(keywords, "required"); required != nil {
		if err := checkNames(f, required); err != nil {
			return err
		}
		for _, item := range required.items {
			f.byName[literal(item)].Required = true
		}
	}
	return b.rules(f, keywords)
}

// list adds the item of a list.
func (b *builder) list(f *Field, keywords []member, n *node) error {
	items := find(keywords, "items")
	if items == nil {
		return n.errorf(`"items" is missing`)
	}
	item, err := b.field("", items, false, f.PII)
	if err != nil {
		return err
	}
	if item.Kind == KindList || item.Kind == KindJSON {
		return items.errorf("a list of %ss is not supported", item.Kind)
	}
	f.Item = item
	f.ItemName = f.Name + "Item"
	if named := find(keywords, "x-item-name"); named != nil {
		if f.ItemName, err = named.text(); err != nil {
			return err
		}
	}
	return nil
}

// rules checks the rules between the fields of a struct and collects them in words.
func (b *builder) rules(f *Field, keywords []member) error {
	for _, k := range keywords {
		if !slices.Contains(ruleKeywords, k.name) {
			continue
		}
		if err := checkRule(f, k); err != nil {
			return err
		}
		if k.name != "allOf" {
			continue
		}
		for _, rule := range k.node.items {
			if words := rule.get("description"); words != nil {
				f.Rules = append(f.Rules, literal(words))
			}
			if c, ok := readCondition(f, rule); ok {
				f.conditions = append(f.conditions, c)
			}
		}
	}
	return nil
}

// checkRule checks one keyword of a rule about f: that it is known, and that each name in it is a field. A rule about a
// field that does not exist would never hold, and nobody would see it.
func checkRule(f *Field, k member) error {
	switch k.name {
	case "allOf", "anyOf", "oneOf":
		if !k.node.isList || len(k.node.items) == 0 {
			return k.node.errorf("a list of rules is expected")
		}
		for _, rule := range k.node.items {
			if err := checkRules(f, rule); err != nil {
				return err
			}
		}
		return nil
	case "not", "if", "then", "else":
		return checkRules(f, k.node)
	case "required":
		return checkNames(f, k.node)
	case "properties":
		if err := k.node.object(); err != nil {
			return err
		}
		for _, m := range k.node.members {
			child := f.Member(m.name)
			if child == nil {
				return m.node.errorf("the rule speaks of the field %q, which does not exist", m.name)
			}
			if err := checkRules(child, m.node); err != nil {
				return err
			}
		}
		return nil
	case "items":
		if f.Item == nil {
			return k.node.errorf("the rule speaks of the items of a field that is no list")
		}
		return checkRules(f.Item, k.node)
	case "dependentRequired":
		if err := k.node.object(); err != nil {
			return err
		}
		for _, m := range k.node.members {
			if f.Member(m.name) == nil {
				return m.node.errorf("the rule speaks of the field %q, which does not exist", m.name)
			}
			if err := checkNames(f, m.node); err != nil {
				return err
			}
		}
		return nil
	default:
		if slices.Contains(valueKeywords, k.name) || slices.Contains(ruleKeywords, k.name) {
			return nil
		}
		return k.node.errorf("the keyword %q is not known in a rule", k.name)
	}
}

func checkRules(f *Field, n *node) error {
	if _, yesOrNo := n.value.(bool); yesOrNo {
		return nil
	}
	if err := n.object(); err != nil {
		return err
	}
	for _, k := range n.members {
		if err := checkRule(f, k); err != nil {
			return err
		}
	}
	return nil
}

// checkNames checks that a list names fields of f.
func checkNames(f *Field, n *node) error {
	names, err := n.texts()
	if err != nil {
		return err
	}
	for i, name := range names {
		if f.Member(name) == nil {
			return n.items[i].errorf("the field %q does not exist", name)
		}
	}
	return nil
}
