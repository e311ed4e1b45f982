package sfbackup_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

func TestSecretsAreRedacted(t *testing.T) {
	t.Parallel()
	const value = "s3cret"
	secret := sfbackup.Secret(value)
	holders := []any{
		secret, &secret,
		sfbackup.AzureBlobStore{ConnectionString: value},
		&sfbackup.FileShare{PrimaryPassword: value, SecondaryPassword: value},
		sfbackup.BackupOptions{Storage: &sfbackup.AzureBlobStore{ConnectionString: value}},
		&sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`{"StorageKind":"Tape","Key":"s3cret"}`)},
		sfbackup.BackupOptions{Storage: &sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`"s3cret"`)}},
		(*sfbackup.FileShare)(nil), (*sfbackup.UnknownStorage)(nil),
		sfbackup.UnknownStorage{RawKind: "Tape", Raw: json.RawMessage(`{"StorageKind":"Tape","Key":"s3cret"}`)},
		[]sfbackup.Secret{secret},
		map[string]sfbackup.Secret{"k": secret},
	}
	var out bytes.Buffer
	for _, h := range holders {
		// All verbs but %p, for which package fmt calls no method and go vet reports every string.
		for _, verb := range "vsqxXdobcetTUgGfFEO" {
			for _, flag := range []string{"", "+", "#", "-10", "010", ".3"} {
				fmt.Fprintf(&out, "%"+flag+string(verb)+"\n", h)
			}
		}
		fmt.Fprintln(&out, fmt.Errorf("wrapped: %v", h))
		slog.New(slog.NewTextHandler(&out, nil)).Info("m", "h", h)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "h", h)
		v1, _ := json.Marshal(h)
		v2, _ := jsonv2.Marshal(h)
		x, _ := xml.Marshal(h)
		out.Write(bytes.Join([][]byte{v1, v2, x}, []byte("\n")))
	}
	text := out.String()
	for _, leak := range []string{value, fmt.Sprintf("%x", value), fmt.Sprintf("%X", value), fmt.Sprint(string([]byte(value))), value[:3]} {
		if i := strings.Index(text, leak); i >= 0 {
			t.Errorf("%q in %q", leak, text[max(i-80, 0):min(i+80, len(text))])
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		got := fmt.Sprintf(verb, &sfbackup.FileShare{Path: `\\a\b`, PrimaryPassword: value})
		if want := `FileShare{FriendlyName: "", Path: "\\\\a\\b", PrimaryUserName: "", PrimaryPassword: [redacted], SecondaryUserName: "", SecondaryPassword: [redacted]}`; got != want {
			t.Errorf("%s: got %s, want %s", verb, got, want)
		}
	}
	if got := fmt.Sprintf("%v|%s|%#v", secret, secret.String(), secret.GoString()); got != `[redacted]|[redacted]|"[redacted]"` {
		t.Errorf("got %s", got)
	}
}
