package text

// ToLower returns s with the letters of ASCII in lower case, and nothing else changed. Package strings also
// makes a k of the Kelvin sign.
func ToLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

// EqualFold reports whether two texts are equal but for the case of the letters of ASCII.
func EqualFold(a, b string) bool { return len(a) == len(b) && ToLower(a) == ToLower(b) }
