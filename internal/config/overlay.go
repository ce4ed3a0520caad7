package config

import (
	"reflect"
	"slices"
	"strings"
)

// environment lays TOPRELAY_SECTION__KEY variables over the file. Only names with "__" are taken for ours, and those of keys
// at the top: a Kubernetes service called toprelay puts TOPRELAY_PORT and its like into every container.
func (l *loader) environment(env []string) {
	env = slices.Clone(env)
	slices.Sort(env)
	for _, e := range env {
		name, value, ok := strings.Cut(e, "=")
		rest, ours := strings.CutPrefix(name, envPrefix)
		if !ok || !ours || name == envPrefix+"CONFIG" {
			continue
		}
		segments := strings.Split(rest, "__")
		if len(segments) == 1 && !plainTop(strings.ToLower(rest)) {
			continue
		}
		s := setter{l: l, place: name, text: value, named: envEntry, spell: envSpelling}
		s.set(segments, keys(), l.root, "")
	}
}

// plainTop says whether the name is, or was meant to be, a value at the top of the file.
func plainTop(name string) bool {
	for _, k := range keys().fields {
		if k.leaf() && distance(name, k.name) <= 2 {
			return true
		}
	}
	return false
}

// sets lays the --set flags over the rest.
func (l *loader) sets(sets []string) {
	for _, one := range sets {
		path, value, ok := strings.Cut(one, "=")
		if !ok {
			l.problem("--set", "", "%s has no value: write --set kafka.group_id=test", quote(one))
			continue
		}
		s := setter{l: l, place: "--set " + path, text: value, named: setEntry, spell: func(path string) string { return path }}
		s.set(strings.Split(path, "."), keys(), l.root, "")
	}
}

// setter sets one key from outside the file.
type setter struct {
	l           *loader
	place, text string
	// named parts the segments into the name of a map's entry and the rest.
	named func(segments []string, k *key, entries reflect.Value) (name string, rest []string)
	// spell writes a path as it is written here, for suggestions.
	spell func(path string) string
}

// set goes down the table along the segments and sets the value that they lead to.
func (s setter) set(segments []string, k *key, v reflect.Value, path string) {
	switch {
	case len(segments) == 0:
		s.value(k, v, path)
	case k.kind == kindSection:
		child := k.child(strings.ToLower(segments[0]))
		if child == nil {
			s.unknown(segments[0], k, path)
			return
		}
		if k.pointer {
			if v.IsNil() {
				v.Set(newSection(k))
			}
			v = v.Elem()
		}
		s.set(segments[1:], child, v.Field(child.field), join(path, child.name))
	case k.kind == kindMap:
		name, rest := s.named(segments, k, v)
		at := join(path, name)
		if err := entryName.checkText(name); err != nil {
			s.problem(path, "a name in this map cannot be used: %v", err)
			return
		}
		if len(rest) == 0 {
			s.problem(at, "is a section and takes no single value; set its keys")
			return
		}
		entry := newEntry(k)
		if old := v.MapIndex(reflect.ValueOf(name)); old.IsValid() {
			entry.Set(old)
		} else {
			s.l.cfg.sources[at] = s.place
		}
		s.set(rest, &key{kind: kindSection, fields: k.fields}, entry, at)
		v.SetMapIndex(reflect.ValueOf(name), entry)
	default:
		s.problem(path, "unknown key: %s has no keys below it", s.spell(path))
	}
}

func (s setter) value(k *key, v reflect.Value, path string) {
	var err error
	if k.kind == kindList || k.kind == kindObjects {
		err = k.setList(v, s.text)
		for at := range s.l.cfg.sources {
			if strings.HasPrefix(at, path+"[") { // the elements of the file are gone
				delete(s.l.cfg.sources, at)
			}
		}
	} else {
		err = k.set(v, s.text)
	}
	s.l.cfg.sources[path] = s.place
	if err != nil {
		s.problem(path, "%v", err)
	}
}

func (s setter) unknown(segment string, k *key, path string) {
	hint := ""
	if best := closest(segment, k.names()); best != "" {
		hint = "; did you mean " + s.spell(join(path, best)) + "?"
	}
	s.problem("", "unknown key%s", hint)
}

func (s setter) problem(path, format string, args ...any) {
	s.l.problem(s.place, path, format, args...)
}

// envSpelling writes a path as the name of a variable. Dots within names of methods and types are left as underscores.
func envSpelling(path string) string {
	top, rest, _ := strings.Cut(path, ".")
	if i := strings.LastIndex(rest, "."); (top == "methods" || top == "types") && i > 0 {
		path = top + "." + strings.ReplaceAll(rest[:i], ".", "_") + rest[i:]
	}
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "__"))
}

// envEntry finds the entry whose name a variable's segment was meant for: one that is there already and differs only in
// case and in '.' and '-' instead of '_', else the name in lower case. Names of methods and types have dots where variables
// can only have underscores.
func envEntry(segments []string, k *key, entries reflect.Value) (string, []string) {
	fold := func(s string) string { return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s)) }
	for _, name := range sortedKeys(entries) {
		if fold(name.String()) == fold(segments[0]) {
			return name.String(), segments[1:]
		}
	}
	name := strings.ToLower(segments[0])
	if k.name != "accounts" {
		name = strings.ReplaceAll(name, "_", ".")
	}
	return name, segments[1:]
}

// setEntry parts a path where the entry's name, which may hold dots, ends: before the longest rest that is a key.
func setEntry(segments []string, k *key, _ reflect.Value) (string, []string) {
	if len(segments) == 1 {
		return segments[0], nil
	}
	for i := 1; i < len(segments); i++ {
		if leads(k.fields, segments[i:]) {
			return strings.Join(segments[:i], "."), segments[i:]
		}
	}
	last := len(segments) - 1
	return strings.Join(segments[:last], "."), segments[last:]
}

// leads says whether the segments are the path of a value.
func leads(fields []*key, segments []string) bool {
	k := (&key{fields: fields}).child(segments[0])
	if k == nil {
		return false
	}
	if len(segments) == 1 {
		return k.leaf()
	}
	return leads(k.fields, segments[1:])
}
