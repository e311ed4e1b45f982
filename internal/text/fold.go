package text

// Package strings folds more than the letters of ASCII: the Kelvin sign is a k to it, and the long s an s.

// ToLower returns s with the letters of ASCII in lower case, and nothing else changed.
func ToLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}

// EqualFold reports whether two texts are equal but for the case of the letters of ASCII.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
