package retry

import "time"

// witness remembers who got the last conclusive replies of a scope: the last key of all, and the last of the others.
// That is enough to answer for any key.
type witness struct {
	key   string
	at    time.Time
	other time.Time // of the last conclusive reply to a key that is not key
}

func (w *witness) saw(key string, at time.Time) {
	if key != w.key {
		w.key, w.other = key, w.at
	}
	w.at = at
}

// last is the time of the last conclusive reply to another key than this one; zero where there was none.
func (w *witness) last(key string) time.Time {
	if key == w.key {
		return w.other
	}
	return w.at
}
