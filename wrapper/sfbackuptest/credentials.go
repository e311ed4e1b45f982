package sfbackuptest

import (
	"crypto/sha1" //nolint:gosec // Service Fabric names certificates by it
	"crypto/x509"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Role is what a client may do: the three operations that read need [RoleUser],
// and BackupPartition needs [RoleAdmin].
type Role string

// The roles.
const (
	RoleUser  Role = "User"
	RoleAdmin Role = "Admin"
)

// AcceptToken makes the cluster a secured one, and lets it accept a bearer
// token until it expires, by the cluster's clock; the zero time is never. Given
// the same token again it replaces what it knew, and with no role it knows the
// token no more.
//
// A client that the cluster does not know is answered with a 403 without a
// body, also when it has shown a token that has expired. One whose role is too
// low gets a 403 with a FabricError.
func (c *Cluster) AcceptToken(token string, role Role, expires time.Time) {
	c.doorman.accept(client{token: token}, credential{role, expires})
}

// AcceptCertificate makes the cluster a secured one, and lets it accept a client
// certificate by its thumbprint, the SHA-1 of the certificate in hexadecimal;
// spaces, colons and the case of letters do not matter. With no role it knows
// the certificate no more. It needs a connection with TLS, see [WithTLS].
func (c *Cluster) AcceptCertificate(thumbprint string, role Role) {
	thumbprint = strings.NewReplacer(" ", "", ":", "").Replace(thumbprint)
	c.doorman.accept(client{thumbprint: strings.ToLower(thumbprint)}, credential{role: role})
}

// doorman knows the clients of a cluster.
type doorman struct {
	mu    sync.Mutex
	known map[client]credential // nil: all may enter
}

// client is who somebody says to be, in one of two ways.
type client struct{ token, thumbprint string }

type credential struct {
	role    Role
	expires time.Time // zero: never
}

func (d *doorman) accept(who client, c credential) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = make(map[client]credential)
	}
	if c.role == "" {
		delete(d.known, who)
	} else {
		d.known[who] = c
	}
}

// admit returns the role of a client. A token is looked at first, and a
// certificate if it was not good enough. Who does not say "Bearer" in this very
// spelling has no token.
func (d *doorman) admit(r *http.Request, now time.Time) (Role, *failure) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		return RoleAdmin, nil
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if c, ok := d.known[client{token: token}]; ok && (c.expires.IsZero() || now.Before(c.expires)) {
			return c.role, nil
		}
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		if c, ok := d.known[client{thumbprint: thumbprint(r.TLS.PeerCertificates[0])}]; ok {
			return c.role, nil
		}
	}
	return "", errCertificateRequired
}

// thumbprint returns the name of a certificate in Service Fabric.
func thumbprint(certificate *x509.Certificate) string {
	sum := sha1.Sum(certificate.Raw) //nolint:gosec // a name, not a signature
	return hex.EncodeToString(sum[:])
}
