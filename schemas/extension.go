package schemas

import (
	"slices"

	"github.com/toprelay/worker/internal/redact"
)

// readExtension reads the block x-top: what a call of the API needs besides its fields. Members that are not known are
// refused.
func (t *Type) readExtension(doc *node) error {
	top := doc.get("x-top")
	if top == nil {
		return doc.errorf(`"x-top" is missing`)
	}
	if err := top.object(); err != nil {
		return err
	}
	for _, required := range []string{"method", "encoding", "session", "repeatable", "key", "superseded", "reply"} {
		if top.get(required) == nil {
			return top.errorf("%q is missing", required)
		}
	}
	for _, m := range top.members {
		if err := t.readMember(m); err != nil {
			return err
		}
	}
	return t.checkID(top)
}

func (t *Type) readMember(m member) (err error) {
	n := m.node
	switch m.name {
	case "method":
		t.Method, err = n.text()
	case "encoding":
		var encoding string
		if encoding, err = n.text(); err != nil {
			return err
		}
		t.Encoding = Encoding(encoding)
		if !slices.Contains([]Encoding{EncodingForm, EncodingStruct, EncodingQimenXML}, t.Encoding) {
			return n.errorf("encodings are form, struct and qimen_xml")
		}
	case "param":
		t.Param, err = n.text()
	case "session":
		t.Session, err = n.boolean()
	case "repeatable":
		t.Repeatable, err = n.boolean()
	case "key":
		t.Key, err = t.readParts(n)
	case "id":
		t.ID, err = t.readParts(n)
	case "id_write":
		t.IDWrite, err = t.readIDWrite(n)
	case "superseded":
		if t.Superseded, err = n.text(); err == nil && t.Superseded != SupersededSkip && t.Superseded != SupersededSend {
			err = n.errorf("superseded is skip or send")
		}
	case "reply":
		err = t.Reply.read(n)
	case "transient_codes":
		t.TransientCodes, err = n.texts()
	case "duplicate_codes":
		t.DuplicateCodes, err = n.texts()
	default:
		err = n.errorf("%q is not known in x-top", m.name)
	}
	return err
}

// readParts reads the parts of a key or id: each a pointer, or a list of pointers of which the first that is there counts.
func (t *Type) readParts(n *node) ([]KeyPart, error) {
	if !n.isList || len(n.items) == 0 {
		return nil, n.errorf("a list of pointers into data is expected")
	}
	parts := make([]KeyPart, 0, len(n.items))
	for _, item := range n.items {
		alternatives := []*node{item}
		if item.isList {
			alternatives = item.items
		}
		if len(alternatives) == 0 {
			return nil, item.errorf("a list of pointers into data is expected")
		}
		var part KeyPart
		for _, alternative := range alternatives {
			pointer, names, err := t.readPointer(alternative)
			if err != nil {
				return nil, err
			}
			part.Pointers = append(part.Pointers, pointer)
			part.names = append(part.names, names)
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// readPointer reads a pointer to a field that has one text.
func (t *Type) readPointer(n *node) (pointer string, names []string, err error) {
	if pointer, err = n.text(); err != nil {
		return "", nil, err
	}
	names, ok := splitPointer(pointer)
	if !ok {
		return "", nil, n.errorf("%q is no JSON Pointer to a field", pointer)
	}
	f := t.Root.at(names)
	if f == nil {
		return "", nil, n.errorf("%q leads to no field", pointer)
	}
	if f.Kind != KindString && f.Kind != KindNumber && f.Kind != KindAny {
		return "", nil, n.errorf("%q leads to a %s; a key or id is made of Strings and Numbers", pointer, f.Kind)
	}
	return pointer, names, nil
}

func (t *Type) readIDWrite(n *node) (string, error) {
	_, names, err := t.readPointer(n)
	if err != nil {
		return "", err
	}
	f := t.Root.at(names)
	switch {
	case len(names) != 1 || f.Kind != KindString:
		return "", n.errorf("a derived id is written into a String at the top of data")
	case f.Required:
		return "", n.errorf("a derived id is written where the field is absent, so it must not be required")
	}
	return names[0], nil
}

// checkID checks that an event always has an idempotent id, and only one.
func (t *Type) checkID(top *node) error {
	if write := top.get("id_write"); write != nil {
		if len(t.ID) != 1 || !slices.Equal(t.ID[0].Pointers, []string{"/" + escapePointer(t.IDWrite)}) {
			return write.errorf("a derived id is written into the field that holds the id: id must be that pointer alone")
		}
		return nil
	}
	for _, part := range t.ID {
		for _, names := range part.names {
			for i := range names {
				if f := t.Root.at(names[:i+1]); len(part.names) > 1 || !f.Required {
					return top.get("id").errorf("without id_write each part of id must be one required field")
				}
			}
		}
	}
	return nil
}

func (r *Reply) read(n *node) error {
	if err := n.object(); err != nil {
		return err
	}
	if n.get("success") == nil {
		return n.errorf(`"success" is missing`)
	}
	for _, m := range n.members {
		var err error
		switch m.name {
		case "success":
			r.Success, err = replyPath(m.node)
		case "code":
			r.Code, err = replyPath(m.node)
		case "message":
			r.Message, err = replyPath(m.node)
		case "fields":
			if !m.node.isList {
				return m.node.errorf("a list is expected")
			}
			for _, item := range m.node.items {
				field, err := readReplyField(item)
				if err != nil {
					return err
				}
				r.Fields = append(r.Fields, field)
			}
		default:
			err = m.node.errorf("%q is not known in reply", m.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func readReplyField(n *node) (ReplyField, error) {
	var f ReplyField
	if err := n.object(); err != nil {
		return f, err
	}
	for _, required := range []string{"name", "path", "type"} {
		if n.get(required) == nil {
			return f, n.errorf("%q is missing", required)
		}
	}
	for _, m := range n.members {
		var err error
		switch m.name {
		case "name":
			f.Name, err = m.node.text()
		case "path":
			f.Path, err = replyPath(m.node)
		case "type":
			kinds := map[any]Kind{"string": KindString, "integer": KindNumber, "boolean": KindBoolean}
			if f.Kind = kinds[m.node.value]; f.Kind == 0 {
				err = m.node.errorf("types of a reply's fields are string, integer and boolean")
			}
		case "list":
			f.List, err = m.node.boolean()
		case "description":
			f.Description, err = m.node.text()
		case "x-pii":
			if f.PII, err = m.node.text(); err == nil && !slices.Contains(redact.Kinds(), f.PII) {
				err = m.node.errorf("this kind of personal data is not known")
			}
		default:
			err = m.node.errorf("%q is not known in a reply's field", m.name)
		}
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

func replyPath(n *node) ([]string, error) {
	pointer, err := n.text()
	if err != nil {
		return nil, err
	}
	path, ok := splitPointer(pointer)
	if !ok {
		return nil, n.errorf("%q is no JSON Pointer below the root of the reply", pointer)
	}
	return path, nil
}

// checkEncoding checks that the encoding can carry what the schema describes.
func checkEncoding(t *Type, top *node) error {
	param := top.get("param")
	switch {
	case t.Encoding == EncodingStruct && param == nil:
		return top.errorf(`encoding struct needs "param", the form parameter that holds the struct`)
	case t.Encoding != EncodingStruct && param != nil:
		return param.errorf("only encoding struct has a param")
	case systemNames[t.Param]:
		return param.errorf("%q is a system parameter", t.Param)
	}
	if t.Encoding == EncodingForm {
		for _, f := range t.Root.Fields {
			if systemNames[f.Name] {
				return top.errorf("the field %q has the name of a system parameter", f.Name)
			}
		}
	}
	if t.Encoding == EncodingQimenXML {
		return checkElements(t.Root, top)
	}
	return nil
}

func checkElements(f *Field, top *node) error {
	for _, child := range f.Fields {
		if !isElementName(child.Name) || child.Kind == KindList && !isElementName(child.ItemName) {
			return top.errorf("the field %q or its item has a name that no XML element can have", child.Name)
		}
		if child.Kind == KindJSON {
			return top.errorf("the field %q has the type Json, which encoding qimen_xml does not carry", child.Name)
		}
		if child.Item != nil {
			child = child.Item
		}
		if err := checkElements(child, top); err != nil {
			return err
		}
	}
	return nil
}
