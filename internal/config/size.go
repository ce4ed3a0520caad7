package config

import (
	"fmt"
	"strconv"
	"strings"
)

// Size is a number of bytes. In text it has a unit: B, KiB, MiB or GiB; without one it is bytes.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes the size with the largest unit that keeps it exact.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

// ParseSize reads a size.
func ParseSize(text string) (Size, error) {
	digits, unit := text, int64(1)
	for _, u := range sizeUnits {
		if d, ok := strings.CutSuffix(text, u.name); ok {
			digits, unit = d, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is no size: write for example 900KiB, 64MiB or 1GiB", quote(text))
	}
	if n > (1<<62)/unit || n < -(1<<62)/unit {
		return 0, fmt.Errorf("%s is too large for a size", quote(text))
	}
	return Size(n * unit), nil
}
