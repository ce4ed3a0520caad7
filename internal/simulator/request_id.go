package simulator

import (
	"strconv"
	"sync/atomic"
)

// requestIDs makes request ids as the platform has them: 13 lower-case alphanumerics, none twice.
type requestIDs struct{ count atomic.Uint64 }

func (r *requestIDs) next() string {
	// A bijective mix (splitmix64): ids differ as long as the count does, and do not look like one.
	x := r.count.Add(0x9e3779b97f4a7c15)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	text := strconv.FormatUint(x, 36) // at most 13 digits
	const zeros = "0000000000000"
	return zeros[len(text):] + text
}
