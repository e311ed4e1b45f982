package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A 403 has three meanings: the gateway does not know the client, its token has expired, or its role does not
// suffice. Only the last one has a body. The gateway does not tell the first two apart, so the hint depends on
// what the client has sent.

const (
	codeAccessDenied = "E_ACCESSDENIED"

	hintNoCredentials = "the gateway does not know this client: give it a certificate with WithClientCertificate, WithClientCertificateFiles or WithPFX, or tokens with WithTokenSource"
	hintTLS13         = "with TLS 1.3 the gateway cannot be shown the client certificate, because package crypto/tls has no handshake after the first: leave out WithTLS13, so that it renegotiates in TLS 1.2"
)

// hint says what to do about a failure; "" if there is nothing to say.
func (c *credentials) hint(resp *http.Response, f *Failure) string {
	switch {
	case f.StatusCode == http.StatusUnauthorized && strings.HasPrefix(resp.Header.Get("Www-Authenticate"), "Negotiate"):
		return "the cluster wants Windows authentication, which this client does not have"
	case f.StatusCode != http.StatusForbidden:
		return ""
	case f.Code == codeAccessDenied && resp.Request != nil && resp.Request.Method == http.MethodPost:
		return "the cluster knows this client, but only an administrator may send this request"
	case f.Code == codeAccessDenied:
		return "the cluster knows this client, but its role does not allow this request"
	case f.Code != "":
		return ""
	case c.certificate != nil && !c.certificate.asked.Load() && resp.TLS != nil && resp.TLS.Version >= tls.VersionTLS13:
		return hintTLS13 // whatever the body is: httpd sends a page
	case !f.refused:
		return ""
	case c.tokens != nil && c.certificate != nil:
		return "the gateway accepts neither the token, which may have expired or be meant for another cluster, nor " + c.describeOwnCertificate()
	case c.tokens != nil:
		return "the gateway does not accept the token: it may have expired, or be meant for another cluster or tenant"
	case c.certificate != nil:
		return "the gateway does not accept " + c.describeOwnCertificate()
	case !c.ours:
		return hintNoCredentials + "; or the certificate of the transport is not accepted"
	}
	return hintNoCredentials
}

// describeOwnCertificate names the client certificate, with what is wrong about it as far as the client can tell.
func (c *credentials) describeOwnCertificate() string {
	leaf, err := c.certificate.status()
	text := "the client certificate (" + describeCertificate(leaf) + ")"
	now := time.Now()
	switch {
	case err != nil:
		text += ", and its files as they are now are not readable: " + err.Error()
	case !c.certificate.asked.Load():
		text += ", for which it never asked"
	case now.After(leaf.NotAfter):
		text += ", which expired on " + leaf.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(leaf.NotBefore):
		text += ", which is valid from " + leaf.NotBefore.UTC().Format(time.DateOnly) + " on"
	case !mayAuthenticateClients(leaf):
		text += ", which is not meant to authenticate clients"
	default:
		text += ": it has to be among the client certificates of the cluster"
	}
	return text
}

func mayAuthenticateClients(c *x509.Certificate) bool {
	if len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0 {
		return true
	}
	return slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// explain adds to an error of TLS what to do about it.
func (c *credentials) explain(err error) error {
	if err == nil {
		return nil
	}
	hint, certain := c.hintTLS(err)
	switch {
	case hint == "":
		return err
	case certain:
		return &nonRetriableError{fmt.Errorf("%w: %s", err, hint)}
	}
	return fmt.Errorf("%w: %s", err, hint)
}

// hintTLS returns what to do about an error of TLS, and whether it is certain that a retry does not help.
func (c *credentials) hintTLS(err error) (hint string, certain bool) {
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Op == "proxyconnect" {
		return hintProxy(e)
	}
	if _, ok := errors.AsType[*identityError](err); ok {
		return "", false // says it all
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "to accept this server, use WithRootCAs, WithServerThumbprints or WithServerCommonName", true
	}
	if speaksHTTP(err) {
		return "the server speaks HTTP without TLS, so its endpoint begins with http://", true
	}
	// Package tls does not expect this message in TLS 1.3, and its type is not exported. It never sends the
	// extension that allows the message, so only servers that ignore this send it.
	if strings.Contains(err.Error(), "unexpected handshake message of type *tls.certificateRequestMsgTLS13") {
		return hintTLS13, true
	}
	if c.certificate != nil && c.tls13 && !c.certificate.asked.Load() && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		// http.sys breaks the connection when it cannot ask.
		return "if the server wants the client certificate: " + hintTLS13, false
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok || alert.Err == nil {
		return "", false
	}
	switch text := strings.TrimPrefix(alert.Err.Error(), "tls: "); {
	case alert.Op == "local error" && text == "no renegotiation" && c.ours:
		return "the server asked for the client certificate a second time", false
	case alert.Op == "local error" && text == "no renegotiation":
		return "the server asks for a client certificate by renegotiating, which the transport does not allow: use WithClientCertificate, WithClientCertificateFiles or WithPFX", true
	case alert.Op == "local error" && text == "error decoding message" && c.tls13:
		// A request for a certificate after the handshake has a context, as OpenSSL sends it. Package tls
		// cannot decode that.
		return "if the server wants a client certificate: " + hintTLS13, true
	case alert.Op != "remote error":
		return "", false
	case text == "protocol version not supported" && c.ours && !c.tls13:
		return "if the server wants TLS 1.3, use WithTLS13", true
	case !slices.Contains(certificateAlerts, text):
		return "", false
	case c.certificate == nil && c.ours:
		return "the server may want a client certificate: use WithClientCertificate, WithClientCertificateFiles or WithPFX", true
	case c.certificate != nil && c.certificate.asked.Load():
		return "the server does not accept " + c.describeOwnCertificate(), true
	}
	return "", false
}

// speaksHTTP reports whether a server has answered a handshake of TLS with HTTP.
func speaksHTTP(err error) bool {
	e, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok && string(e.RecordHeader[:]) == "HTTP/"
}

// certificateAlerts are the alerts of servers that do not accept the client's certificate, or miss one.
var certificateAlerts = []string{
	"handshake failure", "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate",
	"unknown certificate", "unknown certificate authority", "access denied", "certificate required",
}
