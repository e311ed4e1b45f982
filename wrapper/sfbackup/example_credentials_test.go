package sfbackup_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// A cluster that is secured by certificates. The client presents its own and verifies that of the cluster by the
// thumbprint in the cluster manifest. The file is read again when it changes.
func ExampleWithPFX() {
	_, err := sfbackup.NewClient("https://cluster.example.com:19080",
		sfbackup.WithPFX("missing.pfx", sfbackup.Secret(os.Getenv("PFX_PASSWORD"))),
		sfbackup.WithServerThumbprints("A9 09 50 2D D8 2A E4 14 33 E6 F8 38 86 B0 0D 42 77 A3 2A 7B"))
	fmt.Println(err)
	// Output: sfbackup: NewClient: WithPFX: stat missing.pfx: no such file or directory
}

// A cluster whose certificate is verified by its common name and its issuer, so that it can be renewed. The endpoint is
// an address that the certificate does not have.
func ExampleWithServerCommonName() {
	client, err := sfbackup.NewClient("https://10.0.0.4:19080",
		sfbackup.WithServerCommonName("cluster.example.com", "d4:de:20:d0:5e:66:fc:53:fe:1a:50:88:2c:78:db:28:52:ca:e4:74"))
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

// A client certificate for a cluster whose certificate is issued by a private authority.
func ExampleWithClientCertificate() {
	server, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), sfbackuptest.WithClientCertificates())
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := sfbackup.NewClient(server.URL,
		sfbackup.WithClientCertificate(*server.ClientCertificate), sfbackup.WithRootCAs(server.RootCAs))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	fmt.Println(client.BackupPartition(context.Background(), partition, nil))
	// Output: <nil>
}

// PEM files, as cert-manager and other tools renew them. The client reads them again when they change.
func ExampleWithClientCertificateFiles() {
	_, err := sfbackup.NewClient("https://cluster.example.com:19080",
		sfbackup.WithClientCertificateFiles("missing.crt", "missing.key"))
	fmt.Println(err)
	// Output: sfbackup: NewClient: WithClientCertificateFiles: stat missing.crt: no such file or directory
}

// A cluster whose certificate is issued by a private authority.
func ExampleWithRootCAs() {
	server, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), sfbackuptest.WithTLS())
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	roots := server.RootCAs // in your code x509.NewCertPool and AppendCertsFromPEM
	client, err := sfbackup.NewClient(server.URL, sfbackup.WithRootCAs(roots))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	fmt.Println(client.BackupPartition(context.Background(), partition, nil))
	// Output: <nil>
}

// Accept the current certificate of a cluster, and the next one while it is being renewed.
func ExampleWithServerThumbprints() {
	client, err := sfbackup.NewClient("https://10.0.0.4:19080", sfbackup.WithServerThumbprints(
		"A9 09 50 2D D8 2A E4 14 33 E6 F8 38 86 B0 0D 42 77 A3 2A 7B",
		"d4:de:20:d0:5e:66:fc:53:fe:1a:50:88:2c:78:db:28:52:ca:e4:74"))
	fmt.Println(client != nil, err)

	_, err = sfbackup.NewClient("https://10.0.0.4:19080", sfbackup.WithServerThumbprints("A9 09 50"))
	fmt.Println(err)
	// Output:
	// true <nil>
	// sfbackup: NewClient: WithServerThumbprints: "A9 09 50" is not a thumbprint, which has 40 hexadecimal digits (SHA-1) or 64 (SHA-256)
}

// A proxy in front of the gateway uses TLS 1.3 and requests no client certificate after the handshake.
func ExampleWithTLS13() {
	client, err := sfbackup.NewClient("https://proxy.example.com",
		sfbackup.WithTLS13(), sfbackup.WithServerCommonName("proxy.example.com"))
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

// These stand for the types of Azure's SDK that your code imports: azcore.TokenCredential,
// policy.TokenRequestOptions and azcore.AccessToken.
type (
	azureCredential interface {
		GetToken(ctx context.Context, options azureTokenOptions) (azureToken, error)
	}
	azureTokenOptions struct{ Scopes []string }
	azureToken        struct {
		Token     string
		ExpiresOn time.Time
	}
)

// Tokens from a credential of github.com/Azure/azure-sdk-for-go/sdk/azidentity.
func ExampleWithTokenSource_azidentity() {
	var credential azureCredential = azureStandIn{} // azidentity.NewDefaultAzureCredential(nil)
	scope := azureTokenOptions{Scopes: []string{"11111111-2222-3333-4444-555555555555/.default"}}

	source := sfbackup.TokenSource(func(ctx context.Context) (sfbackup.Token, error) {
		t, err := credential.GetToken(ctx, scope)
		return sfbackup.Token{Value: sfbackup.Secret(t.Token), Expires: t.ExpiresOn}, err
	})
	client, err := sfbackup.NewClient("https://cluster.example.com:19080", sfbackup.WithTokenSource(source))
	fmt.Println(client != nil, err)

	token, err := source(context.Background())
	fmt.Println(token.Value, token.Expires.Year(), err)
	// Output:
	// true <nil>
	// [redacted] 2030 <nil>
}

// These stand for TokenSource and Token of golang.org/x/oauth2.
type (
	oauthSource interface{ Token() (*oauthToken, error) }
	oauthToken  struct {
		AccessToken string
		Expiry      time.Time
	}
)

// Tokens from a source of golang.org/x/oauth2.
func ExampleWithTokenSource_oauth2() {
	var credentials oauthSource = oauthStandIn{} // (&clientcredentials.Config{…}).TokenSource(ctx)

	source := sfbackup.TokenSource(func(context.Context) (sfbackup.Token, error) {
		t, err := credentials.Token()
		if err != nil {
			return sfbackup.Token{}, err
		}
		return sfbackup.Token{Value: sfbackup.Secret(t.AccessToken), Expires: t.Expiry}, nil
	})
	client, err := sfbackup.NewClient("https://cluster.example.com:19080", sfbackup.WithTokenSource(source))
	fmt.Println(client != nil, err)

	token, err := source(context.Background())
	fmt.Println(token.Value, token.Expires.Year(), err)
	// Output:
	// true <nil>
	// [redacted] 2030 <nil>
}

type azureStandIn struct{}

func (azureStandIn) GetToken(context.Context, azureTokenOptions) (azureToken, error) {
	return azureToken{"eyJ0", time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}

type oauthStandIn struct{}

func (oauthStandIn) Token() (*oauthToken, error) {
	return &oauthToken{"eyJ0", time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
}
