package transport

import (
	"crypto/sha1" //nolint:gosec // the name of a certificate in Service Fabric, not a signature
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode"

	"github.com/servicefabric-go/backup/internal/text"
)

// A Thumbprint is the hash of a certificate, SHA-1 or SHA-256 as its length tells.
type Thumbprint []byte

// ParseThumbprint reads a thumbprint as people have it: with spaces, colons or dashes between the bytes, and
// with the invisible characters that come along when it is copied from a window.
func ParseThumbprint(s string) (Thumbprint, error) {
	digits := make([]byte, 0, hex.EncodedLen(sha256.Size)+1) // one more is too many
	for _, r := range s {
		if r == ':' || unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cf) {
			continue
		}
		if r > unicode.MaxASCII || len(digits) == cap(digits) {
			digits = nil
			break
		}
		digits = append(digits, byte(r)) //nolint:gosec // it is ASCII
	}
	sum, err := hex.DecodeString(string(digits))
	if err != nil || len(sum) != sha1.Size && len(sum) != sha256.Size {
		return nil, fmt.Errorf("%q is not a thumbprint, which has 40 hexadecimal digits (SHA-1) or 64 (SHA-256)", text.OneLine(s))
	}
	return sum, nil
}

// ParseThumbprints reads several thumbprints, and reports all errors joined.
func ParseThumbprints(texts []string) ([]Thumbprint, error) {
	var all []Thumbprint
	var errs []error
	for _, s := range texts {
		t, err := ParseThumbprint(s)
		all, errs = append(all, t), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// matches reports whether the thumbprint is that of a certificate, in constant time.
func (t Thumbprint) matches(c *x509.Certificate) bool {
	if len(t) == sha256.Size {
		sum := sha256.Sum256(c.Raw)
		return subtle.ConstantTimeCompare(t, sum[:]) == 1
	}
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return subtle.ConstantTimeCompare(t, sum[:]) == 1
}

// anyMatches reports whether one of several thumbprints matches. It compares all of them.
func anyMatches(thumbprints []Thumbprint, c *x509.Certificate) bool {
	found := false
	for _, t := range thumbprints {
		found = t.matches(c) || found
	}
	return found
}

// describeCertificate names a certificate as the settings of a cluster do.
func describeCertificate(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return fmt.Sprintf("%q, thumbprint %X", text.OneLine(c.Subject.CommonName), sum)
}
