package transport

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
)

// snapshot returns a deep copy of the exported fields of a struct, for comparisons. A function is its address.
func snapshot(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return [2]any{v.Pointer(), snapshot(v.Elem())}
	case reflect.Func:
		return v.Pointer()
	case reflect.Struct:
		fields := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fields[f.Name] = snapshot(v.Field(i))
			}
		}
		return fields
	case reflect.Map:
		entries := map[any]any{}
		for _, key := range v.MapKeys() {
			entries[key.Interface()] = snapshot(v.MapIndex(key))
		}
		return []any{v.IsNil(), entries}
	case reflect.Slice:
		elements := []any{v.IsNil()}
		for i := range v.Len() {
			elements = append(elements, snapshot(v.Index(i)))
		}
		return elements
	default:
		return v.Interface()
	}
}

// newCopy makes a transport of this package from one of the caller's.
func newCopy(t *testing.T, given *http.Transport) *http.Transport {
	t.Helper()
	thumbprint := make(Thumbprint, 20)
	transport := newTransport(t, "https://localhost", Config{
		HTTPClient: &http.Client{Transport: given}, TLS: TLS{Server: ServerIdentity{Thumbprints: []Thumbprint{thumbprint}}},
	})
	return baseOf(transport).(*http.Transport)
}

// A transport of the caller's is copied and stays as it is.
func TestCallersTransportIsNotChanged(t *testing.T) {
	t.Parallel()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	for name, given := range map[string]*http.Transport{
		"nothing set":      {},
		"wants HTTP/2":     {ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{ServerName: "a", NextProtos: []string{"x"}}},
		"has protocols":    {Protocols: protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 7}, TLSClientConfig: &tls.Config{}},
		"has a dialer":     {DialContext: (&net.Dialer{}).DialContext, TLSClientConfig: &tls.Config{Certificates: make([]tls.Certificate, 1)}},
		"has protocols up": {TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{"x": nil}},
		"has a proxy":      {Proxy: http.ProxyURL(&url.URL{Scheme: "https", Host: "proxy"}), ProxyConnectHeader: http.Header{"X": {"y"}}},
		"has sizes":        {MaxIdleConns: 1, MaxIdleConnsPerHost: 2, MaxConnsPerHost: 3, IdleConnTimeout: 4, ReadBufferSize: 5, WriteBufferSize: 6},
	} {
		value := reflect.ValueOf(given).Elem()
		before := snapshot(value)
		base := newCopy(t, given)
		if after := snapshot(value); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: changed from\n%v to\n%v", name, before, after)
		}
		// All else is as the caller has it.
		for i := range value.NumField() {
			field := value.Type().Field(i)
			changed := []string{"Protocols", "HTTP2", "TLSNextProto", "TLSClientConfig", "IdleConnTimeout", "DialTLSContext"}
			if !field.IsExported() || slices.Contains(changed, field.Name) {
				continue
			}
			if got := reflect.ValueOf(base).Elem().Field(i); !reflect.DeepEqual(snapshot(got), snapshot(value.Field(i))) && !value.Field(i).IsZero() && got.IsZero() {
				t.Errorf("%s: %s is lost", name, field.Name)
			}
		}
		if base.ProxyConnectHeader != nil {
			base.ProxyConnectHeader.Set("X", "z")
			if given.ProxyConnectHeader.Get("X") != "y" {
				t.Errorf("%s: the header is shared", name)
			}
		}
	}
}

// A transport of the caller's may be in use meanwhile. (The race detector finds what this test is for.)
func TestCallersTransportInUse(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for name, given := range map[string]*http.Transport{
		"HTTP/2, used before": {ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots}},
		"HTTP/1.1":            {Protocols: http1(), TLSClientConfig: &tls.Config{RootCAs: roots}},
	} {
		use := func() {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := given.RoundTrip(req)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			_ = resp.Body.Close()
		}
		if name != "HTTP/1.1" {
			use() // package http writes to a transport of HTTP/2 the first time
		}
		var users sync.WaitGroup
		for range 4 {
			users.Go(use)
			users.Go(func() { newCopy(t, given) })
		}
		users.Wait()
		given.CloseIdleConnections()
	}
}
