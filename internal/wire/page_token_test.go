package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// A continuation token that is too long for a URL is an error, unless this module stored the page.
func TestMaxTokenLength(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]error{maxToken: nil, maxToken + 1: errLongToken, maxValue: errLongToken, maxValue + 1: errTooLong} {
		token := strings.Repeat("t", n-2)
		data := `{"Items":[{"N":1}],"ContinuationToken":"` + token + `"}`
		items, got, err := readPage(strings.NewReader(data))
		if !errors.Is(err, want) || want == nil && got != token || len(items) != 1 {
			t.Errorf("%d bytes: %d items, a token of %d bytes, %v", n, len(items), len(got), err)
		}
		stored := NewStoredPageDecoder[item]([]byte(data))
		for err = nil; err == nil; {
			err = stored.Next(new(item))
		}
		if !errors.Is(err, io.EOF) || stored.ContinuationToken() != token {
			t.Errorf("%d bytes in a stored page: %v", n, err)
		}
	}
}
