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
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// marker is in every secret. It is looked for as it is, and in the forms in which it may travel.
const marker = "MaRkEr7f3a"

// output collects whatever anybody could see.
type output struct {
	mu sync.Mutex
	bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.Buffer.Write(p)
}

// show prints a value in all ways.
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
			t.Errorf("%s: %s is in %q", what, form, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// everyFault is what sfbackuptest can let go wrong.
func everyFault() []sfbackuptest.Fault {
	echo := sfbackuptest.Custom("Panic", func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) })
	return []sfbackuptest.Fault{
		sfbackuptest.Refuse(), sfbackuptest.Reset(), sfbackuptest.Reset().AfterEffect(), sfbackuptest.HangUp(), sfbackuptest.HangUp().AfterEffect(),
		sfbackuptest.Stall(time.Hour), sfbackuptest.Answer(500, ""), sfbackuptest.Answer(503, ""), sfbackuptest.Answer(504, ""),
		sfbackuptest.Answer(200, "{"), sfbackuptest.Answer(202, ""), sfbackuptest.Answer(400, `{"Error":{"Code":"E_INVALIDARG","Message":"no"}}`),
		sfbackuptest.HTMLError(502), sfbackuptest.RefuseCredentials(), sfbackuptest.DenyAccess(),
		sfbackuptest.Redirect("http://user:" + marker + "@evil.example.com/?sig=" + marker), sfbackuptest.CutBody(3),
		sfbackuptest.TruncateBody(3), sfbackuptest.SlowBody(1, time.Minute), sfbackuptest.Gzip(),
		sfbackuptest.DuplicatePage().Times(1), sfbackuptest.RepeatToken().Times(1), sfbackuptest.EndlessPages().Times(1), echo,
	}
}

// secretStorages have the marker in everything that is secret.
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

// collectSome reads a list that may have no end.
func collectSome(seq func(func(sfbackup.Backup, error) bool)) (backups []sfbackup.Backup, err error) {
	for b, err := range seq {
		if err != nil || len(backups) == 50 {
			return backups, err
		}
		backups = append(backups, b)
	}
	return backups, nil
}

// No secret is in anything that is returned or logged, whatever goes wrong with whatever is done.
func TestNothingSecretLeaks(t *testing.T) {
	t.Parallel()
	type operation struct {
		name string
		do   func(context.Context, *sfbackup.Client, *output) error
	}
	var operations []operation
	for i, storage := range secretStorages(t) {
		operations = append(operations, operation{fmt.Sprintf("BackupAndWait %d", i), func(ctx context.Context, c *sfbackup.Client, o *output) error {
			opts := &sfbackup.BackupOptions{Storage: storage}
			o.show(opts)
			p, err := c.BackupAndWait(ctx, partition1, opts, nil)
			o.show(p)
			return err
		}}, operation{fmt.Sprintf("BackupPartition %d", i), func(ctx context.Context, c *sfbackup.Client, _ *output) error {
			return c.BackupPartition(ctx, partition1, &sfbackup.BackupOptions{Storage: storage})
		}})
	}
	list := &sfbackup.ListOptions{PageSize: 2, ContinuationToken: ""}
	operations = append(operations,
		operation{"BackupProgress", func(ctx context.Context, c *sfbackup.Client, o *output) error {
			p, err := c.BackupProgress(ctx, partition1)
			o.show(p)
			return err
		}},
		operation{"WaitForBackup", func(ctx context.Context, c *sfbackup.Client, _ *output) error {
			_, err := c.WaitForBackup(ctx, partition1, nil)
			return err
		}},
		operation{"PartitionBackups", func(ctx context.Context, c *sfbackup.Client, o *output) error {
			got, err := collectSome(c.PartitionBackups(ctx, partition1, list))
			o.show(got)
			return err
		}},
		operation{"ServiceBackups", func(ctx context.Context, c *sfbackup.Client, o *output) error {
			got, err := collectSome(c.ServiceBackups(ctx, calcService, list))
			o.show(got)
			return err
		}},
		operation{"a page by a token", func(ctx context.Context, c *sfbackup.Client, o *output) error {
			// A token may have the signature of a storage in it, so it does not show in errors either.
			got, err := c.PartitionBackupsPage(ctx, partition1, &sfbackup.ListOptions{ContinuationToken: "sig=" + marker})
			o.show(got)
			return err
		}},
		operation{"no partition", func(ctx context.Context, c *sfbackup.Client, _ *output) error {
			return c.BackupPartition(ctx, uuid.Nil, &sfbackup.BackupOptions{Storage: secretStorages(t)[0], Timeout: -1})
		}},
	)
	pairs, failures := 0, 0
	for _, op := range operations {
		faults := append([]sfbackuptest.Fault{{}}, everyFault()...)
		for i, fault := range faults {
			synctest.Test(t, func(t *testing.T) {
				name := "success"
				cluster := sfbackuptest.NewCluster()
				if i > 0 {
					name = fault.String()
					cluster.Script(nil, fault.Times(0))
				}
				cluster.AcceptToken(marker, sfbackuptest.RoleAdmin, time.Time{})
				out := &output{}
				logger := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
				client := newUncheckedClient(t, cluster.Transport(), sfbackup.WithLogger(logger), tokenOf(marker))
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				err := op.do(ctx, client, out)
				out.show(err)
				fmt.Fprintf(out, "%v\n%+v\n%#v\n", client, client, client)
				out.check(t, op.name+", "+name)
				pairs++
				if err != nil {
					failures++
				}
				if requests := cluster.Requests(); len(requests) > 0 && !strings.Contains(out.String(), "request_id") {
					t.Errorf("%s, %s: nothing was logged", op.name, name)
				}
			})
		}
	}
	if pairs < 250 || failures < pairs/2 {
		t.Errorf("%d of %d have failed", failures, pairs)
	}
}

// What goes wrong with credentials does not show them.
func TestNothingSecretLeaksFromCredentials(t *testing.T) {
	t.Parallel()
	out := &output{}
	certificate := newRoot(t, "a").issue(t, nil)
	pfx, err := pkcs12.Modern.Encode(certificate.PrivateKey, certificate.Leaf, nil, marker)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pfx")
	writeFile(t, file, pfx)
	logger := sfbackup.WithLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	source := sfbackup.TokenSourceFunc(func(context.Context) (sfbackup.Token, error) {
		token := sfbackup.Token{Value: marker}
		out.show(token)
		out.show(&token)
		return token, nil
	})
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
