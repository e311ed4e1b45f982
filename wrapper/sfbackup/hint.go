package sfbackup

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

// The three things that a 403 can mean: the client is not known, its token has expired, or it may not
// do this. Only the last one has a body. The gateway says the same about the first two, so what the
// client has sent decides.

const (
	hintNoCredentials = "the gateway does not know this client: give it a certificate with WithClientCertificate, WithClientCertificateFiles or WithPFX, or tokens with WithTokenSource"
	hintVersion13     = "with TLS 1.3 the gateway cannot be shown the client certificate, because package crypto/tls has no handshake after the first: leave out WithTLS13, so that it renegotiates in TLS 1.2"
)

// hint says what to do about an answer; "" when there is nothing to say. A refusal is what isRefusal
// calls so.
func (c *credentials) hint(resp *http.Response, e *APIError, refusal bool) string {
	switch {
	case e.StatusCode == http.StatusUnauthorized && strings.HasPrefix(resp.Header.Get("Www-Authenticate"), "Negotiate"):
		return "the cluster wants Windows authentication, which this client does not have"
	case e.StatusCode != http.StatusForbidden:
		return ""
	case e.Code == CodeAccessDenied && resp.Request != nil && resp.Request.Method == http.MethodPost:
		return "the cluster knows this client, but not as an administrator, who alone may start backups"
	case e.Code == CodeAccessDenied:
		return "the cluster knows this client, but its role does not allow it to read"
	case e.Code != "":
		return ""
	case c.keyPair != nil && !c.keyPair.asked.Load() && resp.TLS != nil && resp.TLS.Version >= tls.VersionTLS13:
		return hintVersion13 // whatever the body is: httpd sends a page
	case !refusal:
		return ""
	case c.tokens != nil && c.keyPair != nil:
		return "the gateway accepts neither the token, which may have expired or be meant for another cluster, nor " + c.describeKeyPair()
	case c.tokens != nil:
		return "the gateway does not accept the token: it may have expired, or be meant for another cluster or tenant"
	case c.keyPair != nil:
		return "the gateway does not accept " + c.describeKeyPair()
	case !c.own:
		return hintNoCredentials + "; or the certificate of the transport is not accepted"
	}
	return hintNoCredentials
}

// describeKeyPair names the certificate, with what can be wrong about it as far as the client sees it.
func (c *credentials) describeKeyPair() string {
	leaf, err := c.keyPair.status()
	text := "the client certificate (" + nameCertificate(leaf) + ")"
	now := time.Now()
	switch {
	case err != nil:
		text += ", and its files as they are now are not readable: " + err.Error()
	case !c.keyPair.asked.Load():
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
		return &lastingError{fmt.Errorf("%w: %s", err, hint)}
	}
	return fmt.Errorf("%w: %s", err, hint)
}

// lastingError is an error that neither another attempt nor another endpoint changes.
type lastingError struct{ error }

func (e *lastingError) Unwrap() error { return e.error }

func isLasting(err error) bool {
	_, ok := errors.AsType[*lastingError](err)
	return ok
}

// hintTLS also says whether it is certain that people have to do something.
func (c *credentials) hintTLS(err error) (hint string, certain bool) {
	if _, ok := errors.AsType[*identityError](err); ok {
		return "", false // says it all
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "to accept this server, use WithRootCAs, WithServerThumbprints or WithServerCommonNames", true
	}
	if e, ok := errors.AsType[tls.RecordHeaderError](err); ok && string(e.RecordHeader[:]) == "HTTP/" {
		return "the server speaks HTTP without TLS, so its endpoint begins with http://", true
	}
	// What package tls calls a message for which it has no use in TLS 1.3; its type is not exported. It
	// never sends the extension that invites this message, so only servers that do not care send it.
	if strings.Contains(err.Error(), "unexpected handshake message of type *tls.certificateRequestMsgTLS13") {
		return hintVersion13, true
	}
	if c.keyPair != nil && c.version13 && !c.keyPair.asked.Load() && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)) {
		// http.sys breaks the connection when it cannot ask.
		return "if the server wants the client certificate: " + hintVersion13, false
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok || alert.Err == nil {
		return "", false
	}
	switch text := strings.TrimPrefix(alert.Err.Error(), "tls: "); {
	case alert.Op == "local error" && text == "no renegotiation" && c.own:
		return "the server asked for the client certificate a second time", false
	case alert.Op == "local error" && text == "no renegotiation":
		return "the server asks for a client certificate by renegotiating, which the transport does not allow: use WithClientCertificate, WithClientCertificateFiles or WithPFX", true
	case alert.Op == "local error" && text == "error decoding message" && c.version13:
		// Asked after the handshake a request has a context, as OpenSSL does it; package tls does not
		// get beyond that.
		return "if the server wants a client certificate: " + hintVersion13, true
	case alert.Op != "remote error":
		return "", false
	case text == "protocol version not supported" && c.own && !c.version13:
		return "if the server wants TLS 1.3, use WithTLS13", true
	case !slices.Contains(certificateAlerts, text):
		return "", false
	case c.keyPair == nil && c.own:
		return "the server may want a client certificate: use WithClientCertificate, WithClientCertificateFiles or WithPFX", true
	case c.keyPair != nil && c.keyPair.asked.Load():
		return "the server does not accept " + c.describeKeyPair(), true
	}
	return "", false
}

// certificateAlerts are what servers say in TLS when they do not like the client's certificate, or
// that there is none.
var certificateAlerts = []string{
	"handshake failure", "bad certificate", "unsupported certificate", "revoked certificate", "expired certificate",
	"unknown certificate", "unknown certificate authority", "access denied", "certificate required",
}
