package config

import "strings"

// didYouMean is " (did you mean X?)" for the candidate that is close to the word, else empty.
func didYouMean(word string, candidates []string) string {
	if best := closest(word, candidates); best != "" {
		return "; did you mean " + best + "?"
	}
	return ""
}

// closest finds the candidate that word was most likely meant for: at most a third of its letters differ, or word and
// candidate are one the beginning of the other.
func closest(word string, candidates []string) string {
	best, least := "", max(2, len(word)/3)+1
	if len(word) > 100 {
		return ""
	}
	word = strings.ToLower(word)
	for _, c := range candidates {
		lower := strings.ToLower(c)
		d := distance(word, lower)
		if d > least-1 && len(word) >= 3 && (strings.HasPrefix(lower, word) || strings.HasPrefix(word, lower)) {
			d = least - 1
		}
		if d < least && d < len(c) {
			best, least = c, d
		}
	}
	return best
}

// distance counts the letters to insert, delete, replace or swap with their neighbour to get from a to b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
