package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// structRules are the keywords of a schema that the tree of fields does not hold as values: which fields a rule demands,
// and when.
type structRules struct {
	AllOf      []rule                  `json:"allOf"`
	Properties map[string]*structRules `json:"properties"`
	Items      *structRules            `json:"items"`

	// Limits that the table of fields has no words for. A schema that uses one is an error here, so that no limit stays
	// unsaid.
	MinLength, MinItems, Minimum, Maximum, MultipleOf json.RawMessage
	ExclusiveMinimum, ExclusiveMaximum, UniqueItems   json.RawMessage
	Pattern                                           json.RawMessage
	AnyOf, OneOf, Not, If                             json.RawMessage
	DependentRequired, MinProperties, MaxProperties   json.RawMessage
}

type rule struct {
	Description string      `json:"description"`
	If          *condition  `json:"if"`
	Then        *condition  `json:"then"`
	Else        *condition  `json:"else"`
	AnyOf       []condition `json:"anyOf"`
}

type condition struct {
	Required   []string `json:"required"`
	Properties map[string]struct {
		Const any   `json:"const"`
		Enum  []any `json:"enum"`
	} `json:"properties"`
}

// readRules reads the rules of a schema.
func readRules(source []byte) (*structRules, error) {
	var r structRules
	if err := json.Unmarshal(source, &r); err != nil {
		return nil, err
	}
	return &r, r.unsaid("data")
}

// unsaid finds limits that the document would not show.
func (r *structRules) unsaid(place string) error {
	for _, limit := range []json.RawMessage{
		r.MinLength, r.MinItems, r.Minimum, r.Maximum, r.MultipleOf, r.ExclusiveMinimum, r.ExclusiveMaximum, r.UniqueItems,
		r.Pattern, r.AnyOf, r.OneOf, r.Not, r.If, r.DependentRequired, r.MinProperties, r.MaxProperties,
	} {
		if limit != nil {
			return fmt.Errorf("%s has the limit %s, which the table of fields does not show yet", place, limit)
		}
	}
	for _, rule := range r.AllOf {
		if !rule.hasWords() {
			return fmt.Errorf("%s has a rule that the table of fields does not show yet: %s", place, rule.Description)
		}
	}
	for name, below := range r.Properties {
		if err := below.unsaid(place + "." + name); err != nil {
			return err
		}
	}
	if r.Items != nil {
		return r.Items.unsaid(place + "[]")
	}
	return nil
}

// hasWords says whether when finds words for the rule.
func (r *rule) hasWords() bool {
	if len(r.AnyOf) > 0 {
		return r.If == nil
	}
	return r.If != nil && r.Then != nil && r.Else == nil && len(r.If.Required) > 0 && len(r.Then.Required) > 0 && len(r.Then.Properties) == 0
}

// below are the rules of a field, which may be nil.
func (r *structRules) below(name string) *structRules {
	if r == nil {
		return nil
	}
	return r.Properties[name]
}

// items are the rules of a list's elements.
func (r *structRules) items() *structRules {
	if r == nil {
		return nil
	}
	return r.Items
}

// when says under which condition the named field of the struct is required, "" where never.
func (r *structRules) when(name string) string {
	if r == nil {
		return ""
	}
	var words []string
	for _, rule := range r.AllOf {
		switch {
		case rule.If != nil && rule.Then != nil && slices.Contains(rule.Then.Required, name):
			words = append(words, "when "+rule.If.words())
		case len(rule.AnyOf) > 0:
			if others := rule.others(name); others != "" {
				words = append(words, "without "+others)
			}
		}
	}
	return strings.Join(words, "; ")
}

// words writes a condition.
func (c *condition) words() string {
	var parts []string
	for _, name := range c.Required {
		p := c.Properties[name]
		values := p.Enum
		if p.Const != nil {
			values = []any{p.Const}
		}
		texts := make([]string, len(values))
		for i, v := range values {
			texts[i] = code(fmt.Sprint(v))
		}
		parts = append(parts, code(name)+" is "+strings.Join(texts, " or "))
	}
	return strings.Join(parts, " and ")
}

// others are the fields that may stand in the place of name, "" where name is not among the choices.
func (r *rule) others(name string) string {
	var others []string
	found := false
	for _, choice := range r.AnyOf {
		for _, field := range choice.Required {
			if field == name {
				found = true
			} else {
				others = append(others, code(field))
			}
		}
	}
	if !found {
		return ""
	}
	return strings.Join(others, " and ")
}

func code(text string) string { return "`" + text + "`" }
