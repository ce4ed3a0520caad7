package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/toprelay/worker/schemas"
)

// jsonReader reads the JSON of a struct by the field tree: null is absent, a Number may be a JSON string, a list may
// be wrapped in an object with one member, unknown members are ignored (protocol page, sections 4.1 and 7.2).
type jsonReader struct {
	decoder jsontext.Decoder
	source  bytes.Buffer
}

var jsonReaders = sync.Pool{New: func() any { return &jsonReader{} }}

// readObjectText reads text as an object with the fields of f. A refusal names the text as a whole by name, a value in
// it by its path below prefix: the only struct of a method has none, since its content is the event's data.
func readObjectText(text string, f *schemas.Field, name, prefix string) (map[string]any, *PlatformError) {
	value, bad, ok := readJSONText(text, f)
	if !ok {
		return nil, invalidArgument(joinPath(prefix, bad, name))
	}
	object, isObject := value.(map[string]any)
	if !isObject {
		return nil, invalidArgument(name)
	}
	return object, nil
}

func readListText(text string, f *schemas.Field) (any, *PlatformError) {
	value, bad, ok := readJSONText(text, f)
	if list, isList := value.([]any); ok && isList {
		return list, nil
	}
	return nil, invalidArgument(joinPath(f.Name, bad, f.Name))
}

// joinPath joins a struct's path and the path of a bad value in it; whole stands for the value itself.
func joinPath(parent, child, whole string) string {
	switch {
	case child == "":
		return whole
	case parent == "":
		return child
	}
	return parent + "." + child
}

// readQimenJSON reads {"request":{…}} or the bare object.
func readQimenJSON(text string, root *schemas.Field) (map[string]any, *PlatformError) {
	wrapper := &schemas.Field{Kind: schemas.KindObject, Fields: []*schemas.Field{{Name: "request", Kind: schemas.KindObject, Fields: root.Fields}}}
	if value, _, ok := readJSONText(text, wrapper); ok {
		if object, _ := value.(map[string]any)["request"].(map[string]any); object != nil {
			return object, nil
		}
	}
	return readObjectText(text, root, "request", "")
}

// readJSONText reads exactly one value. Where it does not fit, bad is the path of the value that is wrong.
func readJSONText(text string, f *schemas.Field) (value any, bad string, ok bool) {
	r := jsonReaders.Get().(*jsonReader)
	defer jsonReaders.Put(r)
	r.source.Reset()
	r.source.WriteString(text)
	r.decoder.Reset(&r.source)
	value, bad, ok = r.read(f)
	if !ok {
		return nil, bad, false
	}
	if _, err := r.decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, "", false
	}
	return value, "", true
}

func (r *jsonReader) read(f *schemas.Field) (value any, bad string, ok bool) {
	kind := r.decoder.PeekKind()
	if kind == 'n' {
		_, err := r.decoder.ReadToken()
		return nil, "", err == nil
	}
	switch {
	case f.Kind == schemas.KindObject:
		return r.readObject(f)
	case f.Kind == schemas.KindList:
		return r.readList(f)
	case f.Kind == schemas.KindJSON && kind != '"':
		v, err := r.decoder.ReadValue()
		return anyValue(v), "", err == nil
	}
	token, err := r.decoder.ReadToken()
	if err != nil {
		return nil, "", false
	}
	switch f.Kind {
	case schemas.KindString, schemas.KindJSON:
		return token.String(), "", kind == '"'
	case schemas.KindDate:
		text := token.String()
		return text, "", kind == '"' && isDate(text)
	case schemas.KindBoolean:
		return kind == 't', "", kind == 't' || kind == 'f'
	case schemas.KindNumber:
		text := token.String()
		return json.Number(text), "", (kind == '0' || kind == '"') && isInteger(text)
	case schemas.KindAny:
		text := token.String()
		if kind == '0' {
			return json.Number(text), "", isInteger(text)
		}
		return text, "", kind == '"'
	default:
		return nil, "", false
	}
}

func (r *jsonReader) readObject(f *schemas.Field) (any, string, bool) {
	if token, err := r.decoder.ReadToken(); err != nil || token.Kind() != '{' {
		return nil, "", false
	}
	object := make(map[string]any, len(f.Fields))
	for r.decoder.PeekKind() == '"' {
		token, err := r.decoder.ReadToken()
		if err != nil {
			return nil, "", false
		}
		field := fieldNamed(f.Fields, token)
		if field == nil {
			if r.decoder.SkipValue() != nil {
				return nil, "", false
			}
			continue
		}
		value, bad, ok := r.read(field)
		if !ok {
			return nil, joinPath(field.Name, bad, field.Name), false
		}
		if value != nil {
			object[field.Name] = value
		}
	}
	_, err := r.decoder.ReadToken()
	return object, "", err == nil
}

func fieldNamed(fields []*schemas.Field, name jsontext.Token) *schemas.Field {
	text := name.String()
	for _, f := range fields {
		if f.Name == text {
			return f
		}
	}
	return nil
}

// readList reads an array, or an object whose one member is the array.
func (r *jsonReader) readList(f *schemas.Field) (any, string, bool) {
	token, err := r.decoder.ReadToken()
	if err != nil {
		return nil, "", false
	}
	if token.Kind() == '{' {
		if name, err := r.decoder.ReadToken(); err != nil || name.Kind() != '"' {
			return nil, "", false
		}
		if r.decoder.PeekKind() != '[' {
			return nil, "", false
		}
		list, bad, ok := r.readList(f)
		if !ok {
			return nil, bad, false
		}
		end, err := r.decoder.ReadToken()
		return list, "", err == nil && end.Kind() == '}'
	}
	if token.Kind() != '[' || f.Item == nil {
		return nil, "", false
	}
	list := []any{}
	for kind := r.decoder.PeekKind(); kind != ']' && kind != 0; kind = r.decoder.PeekKind() {
		value, bad, ok := r.read(f.Item)
		if index := strconv.Itoa(len(list)); !ok {
			return nil, joinPath(index, bad, index), false
		}
		list = append(list, value)
	}
	_, err = r.decoder.ReadToken()
	return list, "", err == nil
}

// anyValue turns JSON into maps, slices and json.Number.
func anyValue(v jsontext.Value) any {
	decoder := json.NewDecoder(bytes.NewReader(v))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	return value
}
