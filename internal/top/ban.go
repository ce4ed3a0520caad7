package top

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bounds of a pause that a throttled reply asks for.
const (
	shortestWait = time.Second
	longestWait  = 24 * time.Hour   // a ban ends at 24:00 GMT+8 at the latest
	probeEvery   = 10 * time.Minute // of a ban by the day whose end is not told: the console can lift it at any time
)

// banText is the only place where the platform tells how long a ban lasts; no header carries it.
var banText = regexp.MustCompile(`(?i)ban will last for\s+(\d+)\s+more second`)

// banWait is how long a throttled scope must rest: the text's seconds; without them a second, or for the daily limit of
// an app key until the next midnight in GMT+8, but no longer than until the next probe.
func banWait(subCode, text string, now time.Time) time.Duration {
	if found := banText.FindStringSubmatch(text); found != nil {
		return seconds(found[1])
	}
	if strings.EqualFold(subCode, "accesscontrol.limited-by-app-access-count") {
		year, month, day := now.In(Zone).Date()
		midnight := time.Date(year, month, day+1, 0, 0, 0, 0, Zone)
		return max(shortestWait, min(probeEvery, midnight.Sub(now)))
	}
	return shortestWait
}

// retryAfterWait reads the header Retry-After of HTTP 429: seconds or a date.
func retryAfterWait(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if header != "" && strings.Trim(header, "0123456789") == "" {
		return seconds(header)
	}
	if date, err := time.Parse(time.RFC1123, header); err == nil {
		return max(shortestWait, min(longestWait, date.Sub(now)))
	}
	return shortestWait
}

// seconds reads a run of digits.
func seconds(digits string) time.Duration {
	n, err := strconv.Atoi(digits)
	if err != nil || n > int(longestWait/time.Second) {
		return longestWait
	}
	return max(shortestWait, time.Duration(n)*time.Second)
}
