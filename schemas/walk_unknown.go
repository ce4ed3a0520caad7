package schemas

import (
	"encoding/json"
	"maps"
	"slices"
)

// mixed walks a struct that has members which the API does not know. It takes all names in order.
func (w *walk) mixed(f *Field, s *sent, top bool) bool {
	for _, name := range slices.Sorted(maps.Keys(s.in)) {
		value := s.in[name]
		if m := f.Member(name); m != nil || value == nil {
			if !w.member(m, name, value, s, top) {
				return false
			}
			continue
		}
		switch {
		case w.unknown == UnknownDrop, w.unknown == UnknownSend && top && systemNames[name]:
			w.openMember(name)
			w.canonical = appendSparse(w.canonical, value)
			s.drop(name)
			w.dropped++
		case w.unknown == UnknownSend:
			if !w.member(nil, name, value, s, top) {
				return false
			}
		default:
			w.path = append(w.path, step{name: name, index: -1})
			return w.refuse("is not a field of this API")
		}
	}
	return true
}

// unknownValue walks a value that is sent although no schema describes it: numbers pass as written, nulls count as absent.
func (w *walk) unknownValue(value any, form bool) (any, verdict) {
	if s := w.path[len(w.path)-1]; s.index < 0 && w.t.Encoding == EncodingQimenXML && !isElementName(s.name) {
		w.refuse("has a name that no XML element can have")
		return nil, refused
	}
	switch v := value.(type) {
	case string:
		return w.text(v, "")
	case json.Number:
		w.canonical = append(w.canonical, v...)
		return nil, unchanged
	case bool:
		return w.boolean(v)
	case []any:
		return w.list(nil, v, form)
	case map[string]any:
		return w.unknownObject(v)
	default:
		w.refuse("is not a JSON value")
		return nil, refused
	}
}

func (w *walk) unknownObject(in map[string]any) (any, verdict) {
	s := sent{in: in}
	w.canonical = append(w.canonical, '{')
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !w.member(nil, name, in[name], &s, false) {
			return nil, refused
		}
	}
	w.canonical = append(w.canonical, '}')
	if s.own != nil {
		return s.own, changed
	}
	return nil, unchanged
}
