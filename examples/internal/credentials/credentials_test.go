package credentials_test

import (
	"crypto/sha1"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/examples/internal/credentials"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

func TestFlags(t *testing.T) {
	cluster := sfbackuptest.NewCluster()
	server, err := sfbackuptest.NewServer(cluster, sfbackuptest.WithClientCertificates())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cluster.AcceptToken("t0ken", sfbackuptest.RoleAdmin, time.Time{})
	t.Setenv("SFBACKUP_TEST_TOKEN", "t0ken")
	t.Setenv("SFBACKUP_TEST_EMPTY", "")

	dir := t.TempDir()
	write := func(name string, blocks ...*pem.Block) string {
		var data []byte
		for _, b := range blocks {
			data = append(data, pem.EncodeToMemory(b)...)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	der, err := x509.MarshalPKCS8PrivateKey(server.ClientCertificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certBlock := &pem.Block{Type: "CERTIFICATE", Bytes: server.ClientCertificate.Certificate[0]}
	keyBlock := &pem.Block{Type: "PRIVATE KEY", Bytes: der}
	cert, key, both := write("cert", certBlock), write("key", keyBlock), write("both", certBlock, keyBlock)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	leaf := resp.TLS.PeerCertificates[0]
	ca := write("ca", &pem.Block{Type: "CERTIFICATE", Bytes: resp.TLS.VerifiedChains[0][1].Raw})
	pin := fmt.Sprintf("%X", sha1.Sum(leaf.Raw))

	for _, tt := range []struct{ args, want string }{ // want "": no error
		{"-cert " + cert + " -key " + key + " -ca " + ca, ""},
		{"-cert " + both + " -thumbprint " + strings.Repeat("00", 20) + "," + pin, ""},
		{"-token-env SFBACKUP_TEST_TOKEN -ca " + ca, ""},
		{"-ca " + ca, "403"},
		{"-key " + key, "-key needs -cert"},
		{"-cert " + cert, "WithClientCertificateFiles"},
		{"-ca " + filepath.Join(dir, "missing"), "-ca: open"},
		{"-ca " + key, "-ca: " + key + " contains no certificate"},
		{"-thumbprint x", "is not a thumbprint"},
		{"-token-env SFBACKUP_TEST_EMPTY", "SFBACKUP_TEST_EMPTY is not set"},
	} {
		set := flag.NewFlagSet("test", flag.ContinueOnError)
		flags := credentials.Register(set)
		if err := set.Parse(strings.Fields(tt.args)); err != nil {
			t.Fatal(err)
		}
		opts, err := flags.Options()
		var client *sfbackup.Client
		if err == nil {
			client, err = sfbackup.NewClient(server.URL, opts...)
		}
		if err == nil {
			_, err = client.PartitionBackupsPage(t.Context(), uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d"), nil)
		}
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: got %v, want %q", tt.args, err, tt.want)
		}
	}
}
