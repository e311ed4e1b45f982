package transport

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net/url"
	"testing"
)

// The case of ASCII letters does not matter in names and hosts. Other letters are never one of them, though
// Unicode folds the Kelvin sign to k and the long s to s.
func TestOnlyASCIILettersFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pinned, shown string
		want          bool
	}{
		{"kube", "KUBE", true},
		{"KUBE.Example", "kube.eXAMPLE", true},
		{"kube", "\u212Aube", false},
		{"\u212Aube", "kube", false},
		{"\u212Aube", "\u212AUBE", true},
		{"sf", "\u017Ff", false},
		{"bücher", "bÜcher", false},
		{"kube", "kube\x00", false},
		{"a[", "a{", false},
		{"a\xff", "a\xfe", false},
	} {
		name := ServerName{Name: tt.pinned}
		if got := name.matches(&x509.Certificate{Subject: pkix.Name{CommonName: tt.shown}}); got != tt.want {
			t.Errorf("the common name %q for %q: %v", tt.shown, tt.pinned, got)
		}
		if got := name.matches(&x509.Certificate{DNSNames: []string{"other", tt.shown}}); got != tt.want {
			t.Errorf("the DNS name %q for %q: %v", tt.shown, tt.pinned, got)
		}
		a, b := &url.URL{Scheme: "http", Host: tt.pinned}, &url.URL{Scheme: "http", Host: tt.shown}
		if got := originOf(a) == originOf(b); got != tt.want {
			t.Errorf("the host %q for %q: %v", tt.shown, tt.pinned, got)
		}
	}
	for host, want := range map[string]bool{"LocalHost": true, "localho\u017Ft": false} {
		if isLoopback(host) != want {
			t.Errorf("%q is this machine: %v", host, !want)
		}
	}
}
