package sfbackup_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// marker is part of every secret. Output must contain neither it nor an encoding of it.
const marker = "MaRkEr7f3a"

// output collects everything that a user could see.
type output struct {
	faultsOver atomic.Bool // no more faults happen

	mu sync.Mutex
	bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(p)
}

// show prints a value in every format.
func (o *output) show(v any) {
	fmt.Fprintf(o, "%v\n%+v\n%#v\n%s\n%q\n", v, v, v, v, v)
	text := slog.New(slog.NewTextHandler(o, nil))
	text.Info("value", "value", v)
	slog.New(slog.NewJSONHandler(o, nil)).Info("value", "value", v)
	data, _ := json.Marshal(v)
	_, _ = o.Write(data)
	if err, ok := v.(error); ok && err != nil {
		if e, ok := errors.AsType[*sfbackup.APIError](err); ok {
			o.show(*e)
		}
		o.show(fmt.Errorf("wrapped: %w", err).Error())
	}
}

func (o *output) check(t *testing.T, what string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	text := strings.ToLower(o.String())
	for _, form := range []string{
		marker, hex.EncodeToString([]byte(marker)), strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(marker)), "="), strings.Trim(fmt.Sprintf("%d", []byte(marker)), "[]"),
	} {
		if i := strings.Index(text, strings.ToLower(form)); i >= 0 {
			t.Errorf("%s: %s is in the output: %q", what, form, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// secretStorages returns storages with the marker in each of their secrets.
func secretStorages(t *testing.T) []sfbackup.BackupStorage {
	t.Helper()
	unknown, err := sfbackup.ParseBackupStorage([]byte(`{"StorageKind":"Tape","Key":"` + marker + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	return []sfbackup.BackupStorage{
		&sfbackup.AzureBlobStore{ConnectionString: "DefaultEndpointsProtocol=https;AccountKey=" + marker, ContainerName: "c"},
		&sfbackup.FileShare{Path: `\\a\b`, PrimaryUserName: "u", PrimaryPassword: marker, SecondaryUserName: "v", SecondaryPassword: "x" + marker},
		unknown,
	}
}

// Errors of credentials do not show them, and neither do values and logs.
func TestCredentialErrorsHideSecrets(t *testing.T) {
	t.Parallel()
	out := &output{}
	certificate := newRoot(t, "a").issue(t, nil)
	pfx, err := pkcs12.Modern.Encode(certificate.PrivateKey, certificate.Leaf, nil, marker)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pfx")
	writeFile(t, file, pfx)
	logger := debugLog(out)
	source := func(context.Context) (sfbackup.Token, error) {
		token := sfbackup.Token{Value: marker}
		out.show(token)
		out.show(&token)
		return token, nil
	}
	panics := func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { panic("oops") })
	}
	fails := func(http.RoundTripper) http.RoundTripper {
		return roundTripper(func(req *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: req.URL.String() + "&sig=" + marker, Err: errors.New("broken")}
		})
	}
	for _, tt := range []opts{
		{sfbackup.WithPFX(file, marker)},
		{sfbackup.WithPFX(file, marker+"x")},
		{sfbackup.WithPFX(file+"x", marker)},
		{sfbackup.WithPFX(file, marker), sfbackup.WithTokenSource(source), sfbackup.WithMiddleware(panics)},
		{sfbackup.WithTokenSource(source), sfbackup.WithMiddleware(fails)},
	} {
		for _, endpoint := range []string{"https://localhost:1", "http://gateway", "https://u:" + marker + "@gateway/?" + marker} {
			client, err := sfbackup.NewClient(endpoint, append(tt, logger)...)
			out.show(err)
			for _, opt := range tt {
				fmt.Fprintf(out, "%v %+v %#v\n", opt, opt, opt)
			}
			if err != nil {
				continue
			}
			func() {
				defer func() { out.show(recover()) }()
				out.show(client.BackupPartition(t.Context(), partition1, &sfbackup.BackupOptions{Storage: secretStorages(t)[0]}))
			}()
		}
	}
	out.check(t, "credentials")
}
