package config

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
)

// kind is what a key holds.
type kind uint8

const (
	kindSection  kind = iota + 1 // struct, or pointer to one: then absent and empty are two things
	kindMap                      // map from a name to a struct
	kindObjects                  // list of structs
	kindList                     // list of texts
	kindText                     // string
	kindBool                     // bool
	kindInt                      // int, int64
	kindFloat                    // float64
	kindDuration                 // time.Duration
	kindSize                     // Size
)

// key is one line of the table that everything of this package walks.
type key struct {
	name     string // in the file
	path     string // kafka.brokers; <name> stands for the name of a map's entry, [] for an element
	kind     kind
	field    int          // index in the parent's struct
	typ      reflect.Type // of the value; of a pointer what it points to
	pointer  bool
	fields   []*key // of a section, of a map's entry, of an object
	doc      string
	refused  string
	def      string
	enum     []string
	format   string
	min, max string
	required bool
	inherit  string
	example  string
}

// keys is the root of the table: a section whose fields are those of Config.
var keys = sync.OnceValue(func() *key {
	root := &key{kind: kindSection, typ: reflect.TypeFor[Config]()}
	root.fields = fieldsOf(root, comments())
	return root
})

// fieldsOf makes the lines of a struct, in its order.
func fieldsOf(parent *key, comments map[string]string) []*key {
	var fields []*key
	for i := range parent.typ.NumField() {
		f := parent.typ.Field(i)
		if !f.IsExported() {
			continue
		}
		k := &key{
			name: f.Tag.Get("yaml"), field: i, typ: f.Type, def: f.Tag.Get("default"), format: f.Tag.Get("format"),
			min: f.Tag.Get("min"), max: f.Tag.Get("max"), inherit: f.Tag.Get("inherit"),
			example: f.Tag.Get("example"), required: f.Tag.Get("required") == "true",
		}
		k.path = join(parent.path, k.name)
		if parent.inherit != "" {
			k.inherit = parent.inherit + "." + k.name
		}
		if e := f.Tag.Get("enum"); e != "" {
			k.enum = strings.Split(e, ",")
		}
		if k.typ.Kind() == reflect.Pointer {
			k.typ, k.pointer = k.typ.Elem(), true
		}
		k.doc, k.refused = splitComment(comments[parent.typ.Name()+"."+f.Name])
		k.kind = kindOf(k.typ)
		k.addFields(comments)
		fields = append(fields, k)
	}
	return fields
}

func (k *key) addFields(comments map[string]string) {
	switch k.kind {
	case kindSection:
		k.fields = fieldsOf(k, comments)
	case kindMap:
		k.fields = fieldsOf(&key{path: k.path + ".<name>", typ: k.typ.Elem()}, comments)
	case kindObjects:
		k.fields = fieldsOf(&key{path: k.path + "[]", typ: k.typ.Elem()}, comments)
	default: // nothing stands below the others
	}
}

func kindOf(t reflect.Type) kind {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return kindDuration
	case reflect.TypeFor[Size]():
		return kindSize
	}
	switch t.Kind() {
	case reflect.Struct:
		return kindSection
	case reflect.Map:
		return kindMap
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return kindObjects
		}
		return kindList
	case reflect.String:
		return kindText
	case reflect.Bool:
		return kindBool
	case reflect.Int, reflect.Int64:
		return kindInt
	case reflect.Float64:
		return kindFloat
	default:
		panic(fmt.Sprintf("config: no kind for %s", t))
	}
}

// child finds a key by its name.
func (k *key) child(name string) *key {
	for _, f := range k.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// names lists the names of the keys below k.
func (k *key) names() []string {
	names := make([]string, len(k.fields))
	for i, f := range k.fields {
		names[i] = f.name
	}
	return names
}

// leaf says whether k holds a value of its own: what stands below it, if anything, is set together with it.
func (k *key) leaf() bool { return k.kind >= kindObjects }

// what names the kind in errors and in the documentation.
func (k *key) what() string {
	switch k.kind {
	case kindSection:
		return "section"
	case kindMap:
		return "map of sections"
	case kindObjects:
		return "list of names or objects"
	case kindList:
		return "list"
	case kindText:
		return "text"
	case kindBool:
		return "true or false"
	case kindInt:
		return "whole number"
	case kindFloat:
		return "number"
	case kindDuration:
		return "duration"
	default:
		return "size"
	}
}

// env is the name of the environment variable that sets the key; of an entry's key with <NAME> in it. It is empty where
// there is none: for sections and for what stands in the elements of a list.
func (k *key) env() string {
	if strings.Contains(k.path, "[]") || k.kind == kindSection || k.kind == kindMap {
		return ""
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.path, ".", "__"))
}

// visit calls f for k's value and all values below it, sections and entries too, in the order of the table. Entries of
// maps come by name; f may change them. Absent sections are left out.
func visit(k *key, v reflect.Value, path string, f func(k *key, v reflect.Value, path string)) {
	f(k, v, path)
	switch k.kind {
	case kindSection:
		if k.pointer {
			if v.IsNil() {
				return
			}
			v = v.Elem()
		}
		for _, c := range k.fields {
			visit(c, v.Field(c.field), join(path, c.name), f)
		}
	case kindMap:
		for _, name := range sortedKeys(v) {
			entry := copyOf(v.MapIndex(name))
			for _, c := range k.fields {
				visit(c, entry.Field(c.field), join(join(path, name.String()), c.name), f)
			}
			v.SetMapIndex(name, entry)
		}
	case kindObjects:
		for i := range v.Len() {
			for _, c := range k.fields {
				visit(c, v.Index(i).Field(c.field), join(fmt.Sprintf("%s[%d]", path, i), c.name), f)
			}
		}
	default: // f has seen it
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
