// Package credentials has the flags for secured clusters that the examples share.
package credentials

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// Flags has the values of the flags.
type Flags struct{ cert, key, ca, thumbprint, tokenEnv string }

// Register adds the flags to a flag set.
func Register(set *flag.FlagSet) *Flags {
	f := new(Flags)
	set.StringVar(&f.cert, "cert", "", "the PEM `file` with the client certificate")
	set.StringVar(&f.key, "key", "", "the PEM `file` with its private key (default: the file of -cert)")
	set.StringVar(&f.ca, "ca", "", "a PEM `file` with the authorities to trust, instead of those of the system")
	set.StringVar(&f.thumbprint, "thumbprint", "", "the accepted `thumbprints` of the cluster's certificate, separated by commas")
	set.StringVar(&f.tokenEnv, "token-env", "", "the environment `variable` with a Microsoft Entra ID token")
	return f
}

// Options returns the options for the flags. The token comes from the environment, so that a list of
// processes does not show it.
func (f *Flags) Options() ([]sfbackup.Option, error) {
	var opts []sfbackup.Option
	switch {
	case f.cert != "" && f.key != "":
		opts = append(opts, sfbackup.WithClientCertificateFiles(f.cert, f.key))
	case f.cert != "":
		opts = append(opts, sfbackup.WithClientCertificateFiles(f.cert, f.cert))
	case f.key != "":
		return nil, errors.New("-key needs -cert")
	}
	if f.ca != "" {
		data, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("-ca: %s contains no certificate", f.ca)
		}
		opts = append(opts, sfbackup.WithRootCAs(roots))
	}
	if f.thumbprint != "" {
		opts = append(opts, sfbackup.WithServerThumbprints(strings.Split(f.thumbprint, ",")...))
	}
	if f.tokenEnv != "" {
		token := sfbackup.Secret(os.Getenv(f.tokenEnv))
		if token == "" {
			return nil, fmt.Errorf("-token-env: %s is not set", f.tokenEnv)
		}
		opts = append(opts, sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: token}, nil
		}))
	}
	return opts, nil
}
