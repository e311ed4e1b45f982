package sfbackup_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A cluster that is secured by certificates: the client shows its own, and knows the cluster by the
// thumbprint that is in the cluster's manifest. The file is read again when it is renewed.
func ExampleWithPFX() {
	_, err := sfbackup.NewClient("https://cluster.example.com:19080",
		sfbackup.WithPFX("missing.pfx", sfbackup.Secret(os.Getenv("PFX_PASSWORD"))),
		sfbackup.WithServerThumbprints("A9 09 50 2D D8 2A E4 14 33 E6 F8 38 86 B0 0D 42 77 A3 2A 7B"))
	fmt.Println(err)
	// Output: sfbackup: NewClient: WithPFX: stat missing.pfx: no such file or directory
}

// A cluster whose certificate is known by its name and by who has signed it, so that it can be renewed.
func ExampleWithServerCommonName() {
	client, err := sfbackup.NewClient("https://10.0.0.4:19080",
		sfbackup.WithServerCommonName("cluster.example.com", "d4:de:20:d0:5e:66:fc:53:fe:1a:50:88:2c:78:db:28:52:ca:e4:74"))
	fmt.Println(client != nil, err)
	// Output: true <nil>
}

// What the credentials of Azure's SDK look like: azcore.TokenCredential, policy.TokenRequestOptions and
// azcore.AccessToken. In your code these are imports.
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

// A credential of github.com/Azure/azure-sdk-for-go/sdk/azidentity.
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

// What golang.org/x/oauth2 has: TokenSource and Token.
type (
	oauthSource interface{ Token() (*oauthToken, error) }
	oauthToken  struct {
		AccessToken string
		Expiry      time.Time
	}
)

// A source of golang.org/x/oauth2.
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
