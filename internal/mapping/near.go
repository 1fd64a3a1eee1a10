package mapping

import (
	"strings"
)

// hint names the keys that a wrong name may have meant, else the keys there are.
func hint(wrong string, keys []string) string {
	if len(keys) == 0 {
		return "; there are no keys"
	}
	best, least := "", 1+len(wrong)/3
	for _, key := range keys {
		if d := distance(wrong, key, least); d < least {
			best, least = key, d
		}
	}
	if best != "" {
		return "; did you mean " + name(best) + "?"
	}
	return "; the keys are: " + names(keys)
}

// distance is the edit distance of two names, without regard to case and to the
// separators - _ and .; limit when it is that or more.
func distance(a, b string, limit int) int {
	a, b = fold(a), fold(b)
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		least := row[0]
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
			least = min(least, row[j+1])
		}
		if least >= limit {
			return limit
		}
	}
	return min(limit, row[len(b)])
}

// fold cuts a name to 64 bytes: nobody mistypes more.
func fold(s string) string {
	s = strings.NewReplacer("-", "", "_", "", ".", "").Replace(strings.ToLower(s[:min(len(s), 64)]))
	return s
}
