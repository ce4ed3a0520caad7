package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

const envPrefix = "TOPRELAY_"

// maxFile bounds the configuration file. What is larger is something else given by mistake.
const maxFile = 1 << 20

// Options says where the configuration comes from. Later ones win: defaults, file, environment, sets.
type Options struct {
	Path string   // the YAML file; empty: TOPRELAY_CONFIG of Env; both empty: no file is read
	Env  []string // "NAME=value", as os.Environ gives it; only TOPRELAY_ names count
	Sets []string // "kafka.group_id=test", from flags
}

// Load reads the configuration. Paths in it are made absolute: relative ones start at the folder of the file, without a
// file at the working directory. The error is of type Problems where the configuration is at fault; it names all that can
// not be read. What can be read but not be used is found by Validate.
func Load(o Options) (*Config, error) {
	path := o.Path
	if path == "" {
		path = envValue(o.Env, "TOPRELAY_CONFIG")
	}
	var text []byte
	if path != "" {
		var err error
		if text, err = readFile(path); err != nil {
			return nil, fmt.Errorf("bad configuration: %w", err)
		}
	}
	return load(path, text, o)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("reading the configuration file: %s has more than 1 MiB", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration file: %w", err)
	}
	return bytes.TrimPrefix(text, []byte("\uFEFF")), nil // editors of Windows begin files so
}

// load reads the configuration from text, which is the content of the file at path.
func load(path string, text []byte, o Options) (*Config, error) {
	l := newLoader(path)
	l.file(text)
	l.environment(o.Env)
	l.sets(o.Sets)
	l.finish()
	if err := l.problems.err(); err != nil {
		return nil, err
	}
	return l.cfg, nil
}

// loader builds one configuration and collects what is wrong on the way.
type loader struct {
	path     string // of the file, as it was given; empty: none
	cfg      *Config
	root     reflect.Value // of cfg
	problems Problems
}

func newLoader(path string) *loader {
	l := &loader{path: path, cfg: &Config{sources: map[string]string{}}}
	l.root = reflect.ValueOf(l.cfg).Elem()
	setDefaults(keys().fields, l.root)
	return l
}

// setDefaults gives the fields of a struct their defaults. Absent sections stay absent.
func setDefaults(fields []*key, v reflect.Value) {
	for _, k := range fields {
		f := v.Field(k.field)
		var err error
		switch {
		case k.pointer:
		case k.kind == kindSection:
			setDefaults(k.fields, f)
		case k.kind == kindMap:
			f.Set(reflect.MakeMap(k.typ))
		case k.def == "":
		case k.kind == kindList, k.kind == kindObjects:
			err = k.setList(f, k.def)
		default:
			err = k.set(f, k.def)
		}
		if err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", k.path, err))
		}
	}
}

// newEntry makes a map's entry with its defaults.
func newEntry(k *key) reflect.Value {
	entry := reflect.New(k.typ.Elem()).Elem()
	setDefaults(k.fields, entry)
	return entry
}

// newSection makes an optional section with its defaults.
func newSection(k *key) reflect.Value {
	p := reflect.New(k.typ)
	setDefaults(k.fields, p.Elem())
	return p
}

func (l *loader) problem(place, key, format string, args ...any) {
	l.problems = append(l.problems, Problem{place, key, fmt.Sprintf(format, args...)})
}

// finish does what needs all layers: unset keys of methods take the general value, what must be given is missed, and
// paths become absolute.
func (l *loader) finish() {
	l.inherit()
	l.missing()
	dir, err := filepath.Abs(filepath.Dir(l.path))
	if err != nil {
		l.problem("", "", "the working directory cannot be told: %v", err)
		return
	}
	visit(keys(), l.root, "", func(k *key, v reflect.Value, _ string) {
		switch k.format {
		case "file", "secret", "dir":
			v.SetString(resolve(dir, v.String()))
		}
	})
}

// inherit gives the unset keys of methods the general value.
func (l *loader) inherit() {
	general := map[string]reflect.Value{}
	visit(keys(), l.root, "", func(k *key, v reflect.Value, path string) {
		if k.leaf() && k.inherit == "" {
			general[path] = v
		}
	})
	visit(keys(), l.root, "", func(k *key, v reflect.Value, path string) {
		if k.leaf() && k.inherit != "" && l.cfg.sources[path] == "" {
			v.Set(general[k.inherit])
		}
	})
}

// missing reports keys that must be given and were not.
func (l *loader) missing() {
	visit(keys(), l.root, "", func(k *key, v reflect.Value, path string) {
		if !k.required || !v.IsZero() || k.kind == kindMap || l.cfg.sources[path] != "" {
			return // what was given and is empty was reported there
		}
		parent := path[:max(0, strings.LastIndex(path, "."))]
		l.problem(l.cfg.sources[parent], path, "the key is missing; it must be given")
	})
}

// envValue is the value of the variable; of a name given twice the last one.
func envValue(env []string, name string) string {
	for _, e := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

func sortedKeys(m reflect.Value) []reflect.Value {
	names := m.MapKeys()
	slices.SortFunc(names, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return names
}

// copyOf makes an addressable copy of a map's entry.
func copyOf(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}
