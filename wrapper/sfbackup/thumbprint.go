package sfbackup

import (
	"crypto/sha1" //nolint:gosec // the name of a certificate in Service Fabric, not a signature
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode"
)

// A thumbprint is the hash of a certificate, SHA-1 or SHA-256 as its length tells.
type thumbprint []byte

// parseThumbprint reads a thumbprint as people have it: with spaces, colons or dashes between the
// bytes, and with the invisible marks that come along when it is copied from a window.
func parseThumbprint(text string) (thumbprint, error) {
	digits := make([]byte, 0, hex.EncodedLen(sha256.Size)+1) // one more is too many, and all that follow are too
	for _, r := range text {
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
		return nil, fmt.Errorf("%q is not a thumbprint, which has 40 hexadecimal digits (SHA-1) or 64 (SHA-256)", oneLine(text))
	}
	return sum, nil
}

func parseThumbprints(texts []string) ([]thumbprint, error) {
	var all []thumbprint
	var errs []error
	for _, text := range texts {
		t, err := parseThumbprint(text)
		all, errs = append(all, t), append(errs, err)
	}
	return all, errors.Join(errs...)
}

// isOf reports whether the thumbprint is that of a certificate, in a time that does not depend on
// where they differ.
func (t thumbprint) isOf(c *x509.Certificate) bool {
	if len(t) == sha256.Size {
		sum := sha256.Sum256(c.Raw)
		return subtle.ConstantTimeCompare(t, sum[:]) == 1
	}
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return subtle.ConstantTimeCompare(t, sum[:]) == 1
}

// anyIsOf is isOf for one of several, and looks at all of them.
func anyIsOf(thumbprints []thumbprint, c *x509.Certificate) bool {
	found := false
	for _, t := range thumbprints {
		found = t.isOf(c) || found
	}
	return found
}

// nameCertificate names a certificate so that it can be found in the settings of a cluster.
func nameCertificate(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw) //nolint:gosec // as above
	return fmt.Sprintf("%q, thumbprint %X", oneLine(c.Subject.CommonName), sum)
}
