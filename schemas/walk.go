package schemas

import (
	"maps"
	"strconv"
	"sync"
)

// walk is one pass over data, which both normalises it and writes it in canonical form.
type walk struct {
	t         *Type
	unknown   UnknownFields
	canonical []byte
	path      []step
	dropped   int
	violation *Violation
}

// step is one level of the path: a member (index -1), or an element of a list.
type step struct {
	name  string
	index int
}

var walks = sync.Pool{New: func() any { return &walk{} }}

// largestKept bounds what a pooled walk keeps of a large event.
const largestKept = 64 << 10

func (w *walk) release() {
	if cap(w.canonical) > largestKept {
		w.canonical = nil
	}
	clear(w.path[:cap(w.path)]) // it holds texts of the event
	*w = walk{canonical: w.canonical[:0], path: w.path[:0]}
	walks.Put(w)
}

// refuse records the first violation, at the current path.
func (w *walk) refuse(message string) bool {
	w.violation = &Violation{Pointer: pointerTo(w.path), Message: message}
	return false
}

func pointerTo(path []step) string {
	var out []byte
	for _, s := range path {
		out = append(out, '/')
		if s.index >= 0 {
			out = strconv.AppendInt(out, int64(s.index), 10)
		} else {
			out = append(out, escapePointer(s.name)...)
		}
	}
	return string(out)
}

// sent is what becomes of a struct: in itself, or a copy of it that is made with the first change.
type sent struct {
	in, own map[string]any
}

func (s *sent) set(name string, value any) {
	if s.own == nil {
		s.own = maps.Clone(s.in)
	}
	s.own[name] = value
}

func (s *sent) drop(name string) {
	if s.own == nil {
		s.own = maps.Clone(s.in)
	}
	delete(s.own, name)
}

// object walks a struct. Fields are taken in the order of their names: that is the canonical order. top says that it is
// data itself.
func (w *walk) object(f *Field, s *sent, top bool) bool {
	start, dropped := len(w.canonical), w.dropped
	w.canonical = append(w.canonical, '{')
	found := 0
	for _, m := range f.sorted {
		value, is := s.in[m.Name]
		if !is {
			continue
		}
		found++
		if !w.member(m, m.Name, value, s, top) {
			return false
		}
	}
	if found < len(s.in) {
		// There are unknown fields: begin again with all names, for the order of the canonical form.
		w.canonical = append(w.canonical[:start], '{')
		w.dropped = dropped
		if !w.mixed(f, s, top) {
			return false
		}
	}
	w.canonical = append(w.canonical, '}')
	return w.conditions(f, s)
}

// member walks one member of a struct; a nil f stands for an unknown field.
func (w *walk) member(f *Field, name string, value any, s *sent, top bool) bool {
	mark := len(w.canonical)
	w.openMember(name)
	w.path = append(w.path, step{name: name, index: -1})
	value, is := w.value(f, value, top)
	if is == refused {
		return false // the path stays: it is that of the violation
	}
	w.path = w.path[:len(w.path)-1]
	switch is {
	case refused, unchanged:
	case changed:
		s.set(name, value)
	case absent:
		w.canonical = w.canonical[:mark]
		s.drop(name)
	case unsent:
		s.drop(name)
	}
	return true
}

// openMember begins a member in the canonical form.
func (w *walk) openMember(name string) {
	if w.canonical[len(w.canonical)-1] != '{' {
		w.canonical = append(w.canonical, ',')
	}
	w.canonical = appendString(w.canonical, name)
	w.canonical = append(w.canonical, ':')
}
