package schemas

import (
	"slices"
	"strings"
)

// list walks a list whose items item describes (nil: an unknown field). form says that it is a form parameter of its own,
// which goes out with its elements joined by commas where all of them are scalars.
func (w *walk) list(item *Field, value any, form bool) (any, verdict) {
	in, is := value.([]any)
	if !is {
		w.refuse("must be an array")
		return nil, refused
	}
	joined := form && CommaJoined(in)
	w.canonical = append(w.canonical, '[')
	out, copied := in, false
	for i, element := range in {
		if i > 0 {
			w.canonical = append(w.canonical, ',')
		}
		w.path = append(w.path, step{index: i})
		if element == nil {
			w.refuse("must not be null: an element of a list cannot be left out")
			return nil, refused
		}
		if text, is := element.(string); is && joined && strings.IndexByte(text, ',') >= 0 {
			w.refuse("must not hold a comma: the elements are joined by commas")
			return nil, refused
		}
		sent, is := w.value(item, element, false)
		if is == refused {
			return nil, refused
		}
		w.path = w.path[:len(w.path)-1]
		if is == changed {
			if !copied {
				out, copied = slices.Clone(in), true
			}
			out[i] = sent
		}
	}
	w.canonical = append(w.canonical, ']')
	switch {
	case len(in) == 0:
		return nil, unsent
	case joined && len(in) == 1 && isBlankText(in[0]):
		return nil, absent // the parameter would be blank
	case copied:
		return out, changed
	default:
		return nil, unchanged
	}
}
