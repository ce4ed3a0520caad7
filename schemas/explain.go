package schemas

import (
	"cmp"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// explain turns the library's error into one violation. Of several it takes the one whose pointer comes first, so that
// the same data always gets the same answer. The texts are ours: the library's hold values of the data.
func (t *Type) explain(err error) *Violation {
	var invalid *jsonschema.ValidationError
	if !errors.As(err, &invalid) {
		return &Violation{Message: "cannot be checked against the schema"}
	}
	var first *Violation
	visit(invalid, func(e *jsonschema.ValidationError) {
		v := t.violation(e)
		if first == nil || cmp.Or(cmp.Compare(v.Pointer, first.Pointer), cmp.Compare(v.Message, first.Message)) < 0 {
			first = v
		}
	})
	return first
}

// visit calls found for each defect below e. Where one of several forms would have been right, that choice is the defect,
// and not each form.
func visit(e *jsonschema.ValidationError, found func(*jsonschema.ValidationError)) {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not:
		found(e)
		return
	}
	if len(e.Causes) == 0 {
		found(e)
		return
	}
	for _, cause := range e.Causes {
		visit(cause, found)
	}
}

func (t *Type) violation(e *jsonschema.ValidationError) *Violation {
	path := e.InstanceLocation
	message := ""
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		path, message = append(path, k.Missing[0]), "is required"
	case *kind.DependentRequired:
		path, message = append(path, k.Missing[0]), "is required when "+k.Prop+" is given"
	case *kind.Enum:
		message = "must be one of " + listed(k.Want)
	case *kind.Const:
		message = "must be " + listed([]any{k.Want})
	case *kind.MinLength:
		message = "must have at least " + strconv.Itoa(k.Want) + " characters"
	case *kind.MaxLength:
		message = "must have at most " + strconv.Itoa(k.Want) + " characters"
	case *kind.MinItems:
		message = "must have at least " + strconv.Itoa(k.Want) + " elements"
	case *kind.MaxItems:
		message = "must have at most " + strconv.Itoa(k.Want) + " elements"
	case *kind.Minimum:
		message = "must be " + k.Want.RatString() + " or more"
	case *kind.Maximum:
		message = "must be " + k.Want.RatString() + " or less"
	case *kind.Pattern:
		message = "must match " + k.Want
	}
	switch rule := t.ruleAt(e.SchemaURL); {
	case rule == "" && message == "":
		message = "breaks the rule " + strings.Join(e.ErrorKind.KeywordPath(), "/")
	case rule != "" && message == "":
		message = rule
	case rule != "":
		message += ": " + rule
	}
	var pointer strings.Builder
	for _, name := range path {
		pointer.WriteByte('/')
		pointer.WriteString(escapePointer(name))
	}
	return &Violation{Pointer: pointer.String(), Message: message}
}

// ruleAt returns the words of the rule that the place in the schema belongs to, "" where it belongs to none.
func (t *Type) ruleAt(schemaURL string) string {
	_, fragment, _ := strings.Cut(schemaURL, "#")
	if plain, err := url.PathUnescape(fragment); err == nil {
		fragment = plain
	}
	names, _ := splitPointer(fragment)
	words, inRule := "", false
	at := t.doc
	for _, name := range names {
		if at == nil {
			break
		}
		if at.isList {
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(at.items) {
				break
			}
			at = at.items[i]
		} else {
			inRule = inRule || name == "allOf"
			at = at.get(name)
		}
		if at != nil && inRule {
			if description := at.get("description"); description != nil {
				words = literal(description)
			}
		}
	}
	return words
}

// listed writes values of the schema.
func listed(values []any) string {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, string(appendCanonical(nil, value)))
	}
	return strings.Join(texts, ", ")
}
