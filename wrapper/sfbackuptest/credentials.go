package sfbackuptest

import (
	"crypto/sha1" //nolint:gosec // Service Fabric identifies certificates by it
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Role is what a client is allowed to do: the three operations that read need [RoleUser] or [RoleAdmin],
// BackupPartition needs [RoleAdmin].
type Role string

// The roles.
const (
	RoleUser  Role = "User"
	RoleAdmin Role = "Admin"
)

// AcceptToken secures the cluster and makes it accept a bearer token, with the given role, until the token
// expires by the cluster's clock. The zero time means never. A second call for the same token replaces the
// first. AcceptToken panics if there is no such role.
//
// A client with unknown or expired credentials, or with none, gets a 403, without a body in
// [ProfileRuntime]. A client whose role does not allow the operation gets a 403 with a FabricError.
func (c *Cluster) AcceptToken(token string, role Role, expires time.Time) {
	c.authenticator.accept(credential{token: token}, grant{role, expires})
}

// AcceptCertificate secures the cluster and makes it accept a client certificate, with the given role. The
// thumbprint is the SHA-1 hash of the certificate in hexadecimal; spaces, colons and letter case do not
// matter. Only a server with TLS asks for certificates, see [WithTLS]. AcceptCertificate panics if there is
// no such role.
func (c *Cluster) AcceptCertificate(thumbprint string, role Role) {
	c.authenticator.accept(certificateCredential(thumbprint), grant{role: role})
}

// RevokeToken makes the cluster reject the token, even if it was accepted before. It also secures the
// cluster if that was unsecured.
func (c *Cluster) RevokeToken(token string) {
	c.authenticator.set(credential{token: token}, grant{})
}

// RevokeCertificate makes the cluster reject the client certificate with the thumbprint, even if it was
// accepted before. It also secures the cluster if that was unsecured.
func (c *Cluster) RevokeCertificate(thumbprint string) {
	c.authenticator.set(certificateCredential(thumbprint), grant{})
}

// authenticator knows the clients of a cluster.
type authenticator struct {
	mu     sync.Mutex
	grants map[credential]grant // nil: the cluster is unsecured
}

// credential is what a client presents: a token or the thumbprint of its certificate.
type credential struct{ token, thumbprint string }

func certificateCredential(thumbprint string) credential {
	return credential{thumbprint: strings.ToLower(strings.NewReplacer(" ", "", ":", "").Replace(thumbprint))}
}

// grant is what a credential allows.
type grant struct {
	role    Role      // empty: nothing
	expires time.Time // zero: never
}

func (a *authenticator) accept(c credential, g grant) {
	if g.role != RoleUser && g.role != RoleAdmin {
		panic(fmt.Sprintf("sfbackuptest: there is no Role(%q)", string(g.role)))
	}
	a.set(c, g)
}

func (a *authenticator) set(c credential, g grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.grants == nil {
		a.grants = make(map[credential]grant)
	}
	a.grants[c] = g
}

// authenticate returns the role of a client: that of its token or, if it has no valid token, that of its
// certificate. The scheme of the Authorization header must be spelled exactly "Bearer".
func (a *authenticator) authenticate(r *http.Request, now time.Time) (Role, *errorResponse) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.grants == nil {
		return RoleAdmin, nil
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		if g := a.grants[credential{token: token}]; g.role != "" && (g.expires.IsZero() || now.Before(g.expires)) {
			return g.role, nil
		}
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		if g := a.grants[credential{thumbprint: thumbprint(r.TLS.PeerCertificates[0])}]; g.role != "" {
			return g.role, nil
		}
	}
	return "", errCertificateRequired
}

// thumbprint returns how Service Fabric identifies a certificate.
func thumbprint(certificate *x509.Certificate) string {
	sum := sha1.Sum(certificate.Raw) //nolint:gosec // an identifier, not a signature
	return hex.EncodeToString(sum[:])
}
