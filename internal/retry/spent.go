package retry

import "time"

// spent holds the last tokens that a bucket gave out, and when each comes back.
type spent struct {
	ring  []token
	count int    // of all that are spent
	last  uint64 // number of the last one
}

// newSpent has room for the most tokens that there can be in a second, and the one before them.
func newSpent(most int) spent { return spent{ring: make([]token, most+1)} }

// most is how many tokens there can be in a second.
func (s *spent) most() int { return len(s.ring) - 1 }

// token is one permitted call. Times are since the bucket was made.
type token struct {
	number   uint64
	at, back time.Duration
}

// take spends a token. It comes back a second later, and at least every after the one before.
func (s *spent) take(at, every time.Duration) (number uint64) {
	s.last++
	s.ring[s.count%len(s.ring)] = token{number: s.last, at: at}
	s.count++
	s.chain(s.count-1, every)
	return s.last
}

// chain says when token i comes back.
func (s *spent) chain(i int, every time.Duration) {
	t := &s.ring[i%len(s.ring)]
	t.back = t.at + time.Second
	if i > 0 {
		t.back = max(t.back, s.ring[(i-1)%len(s.ring)].back+every)
	}
}

// undo takes back a token that was not used: those after it come back as if it had never been. One that is so old that
// others have taken its place is back already.
func (s *spent) undo(number uint64, every time.Duration) {
	first := max(0, s.count-len(s.ring))
	at := s.count - 1
	for at >= first && s.ring[at%len(s.ring)].number != number {
		at--
	}
	if at < first {
		return
	}
	gone := s.ring[at%len(s.ring)]
	s.count--
	for i := at; i < s.count; i++ {
		next := s.ring[(i+1)%len(s.ring)]
		s.ring[i%len(s.ring)] = token{number: next.number, at: next.at}
		if i > first || first == 0 {
			s.chain(i, every)
		} else { // nothing is known of the one before it but what the one that is gone came back after
			s.ring[i%len(s.ring)].back = max(next.at+time.Second, gone.back)
		}
	}
	s.ring[s.count%len(s.ring)] = token{} // what stood here first is back: its place was taken
}

// back is when the token comes back that is width before the next one: zero where there is none.
func (s *spent) back(width int) time.Duration {
	if s.count < width {
		return 0
	}
	return s.ring[(s.count-width)%len(s.ring)].back
}
