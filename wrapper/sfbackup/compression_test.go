package sfbackup_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// No request asks for compression: not of net/http, which would multiply what a response may cost, and not
// of a transport of the caller's.
func TestCompressionIsNotRequested(t *testing.T) {
	t.Parallel()
	cases := map[string]func(*sfbackup.Client) error{
		"BackupPartition": func(c *sfbackup.Client) error { return c.BackupPartition(t.Context(), partition1, nil) },
		"BackupProgress": func(c *sfbackup.Client) error {
			_, err := c.BackupProgress(t.Context(), partition1)
			return err
		},
		"PartitionBackups": func(c *sfbackup.Client) error {
			_, err := collect(c.PartitionBackups(t.Context(), partition1, nil))
			return err
		},
		"ServiceBackupsPage": func(c *sfbackup.Client) error {
			_, err := c.ServiceBackupsPage(t.Context(), calcService, nil)
			return err
		},
	}
	for name, call := range cases {
		var got []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = append(got, fmt.Sprintf("%s %q", r.Method, r.Header["Accept-Encoding"]))
			switch {
			case r.Method == http.MethodPost:
				w.WriteHeader(http.StatusAccepted)
			case strings.HasSuffix(r.URL.Path, "/GetBackupProgress"):
				_, _ = w.Write([]byte("null"))
			default:
				_, _ = w.Write([]byte(page(`null`, id1)))
			}
		}))
		defer server.Close()
		for _, opts := range [][]sfbackup.Option{nil, {sfbackup.WithHTTPClient(&http.Client{Transport: &http.Transport{}})}} {
			client, err := sfbackup.NewClient(server.URL, opts...)
			if err != nil {
				t.Fatal(err)
			}
			got = nil
			if err := call(client); err != nil && name != "BackupProgress" {
				t.Errorf("%s: %v", name, err)
			}
			for _, g := range got {
				if _, encodings, _ := strings.Cut(g, " "); encodings != `["identity"]` {
					t.Errorf("%s sent %s", name, g)
				}
			}
			if len(got) == 0 {
				t.Errorf("%s sent nothing", name)
			}
		}
	}
}
