package sfbackup_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The names in the documentation's examples. A cluster without options has them as well.
var (
	partition1 = uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	partition2 = uuid.MustParse("81645ec7-d260-4c59-9533-8f129bde8e83")
)

const calcService sfbackup.ServiceName = "fabric:/CalcApp/CalcService"

// roundTripper is a transport made of a function, for responses that no cluster sends.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The documents that requests and responses are validated against.
var (
	documented = mustValidate(openapi.Documented)
	runtime    = mustValidate(openapi.Runtime)
)

func mustValidate(document []byte) *contract.Validator {
	v, err := contract.New(document)
	if err != nil {
		panic(err)
	}
	return v
}

// newClient returns a client that sends through a transport whose responses may violate the contract. Its
// requests are validated, except for storages of unknown kinds. It does not retry unless an option says so.
func newClient(t testing.TB, transport http.RoundTripper, opts ...sfbackup.Option) *sfbackup.Client {
	t.Helper()
	requests := runtime.Without(contract.RuleDiscriminator)
	opts = append([]sfbackup.Option{sfbackup.WithRetry(sfbackup.RetryPolicy{MaxAttempts: 1})}, opts...)
	return newUncheckedClient(t, roundTripper(func(req *http.Request) (*http.Response, error) {
		checked := req.Clone(req.Context())
		if req.GetBody != nil {
			checked.Body, _ = req.GetBody()
		}
		if err := requests.CheckRequest(checked); err != nil {
			t.Errorf("%s %s:\n%v", req.Method, req.URL, err)
		}
		return transport.RoundTrip(req)
	}), opts...)
}

// newUncheckedClient returns a client that sends through a transport. Its requests are not validated.
func newUncheckedClient(t testing.TB, transport http.RoundTripper, opts ...sfbackup.Option) *sfbackup.Client {
	t.Helper()
	opts = append([]sfbackup.Option{sfbackup.WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	return newClientAt(t, "http://localhost:19080", opts...)
}

// newClientAt returns a client for an endpoint. Its requests are not validated.
func newClientAt(t testing.TB, endpoint string, opts ...sfbackup.Option) *sfbackup.Client {
	t.Helper()
	client, err := sfbackup.NewClient(endpoint, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newClusterClient returns a client and its own cluster in memory, which responds as a 6.4 cluster does.
// Every request and response is validated.
func newClusterClient(t testing.TB, opts ...sfbackuptest.Option) (*sfbackup.Client, *sfbackuptest.Cluster) {
	t.Helper()
	cluster := sfbackuptest.NewCluster(opts...)
	return newUncheckedClient(t, contract.ForTest(t, runtime, cluster.Transport())), cluster
}

// newDocumentedClient is like newClusterClient with a cluster that responds as the documentation says. Its
// responses are valid under both documents.
func newDocumentedClient(t testing.TB, opts ...sfbackuptest.Option) (*sfbackup.Client, *sfbackuptest.Cluster) {
	t.Helper()
	cluster := sfbackuptest.NewCluster(append(opts, sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented))...)
	transport := contract.ForTest(t, documented, contract.ForTest(t, runtime, cluster.Transport()))
	return newUncheckedClient(t, transport), cluster
}

// canned is a canned response.
type canned struct {
	status      string // "404 Not Found"
	contentType string
	header      http.Header
	body        string
}

func (a canned) response(req *http.Request) *http.Response {
	header := a.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if a.contentType != "" {
		header.Set("Content-Type", a.contentType)
	}
	code := 0
	for _, digit := range a.status[:3] {
		code = code*10 + int(digit-'0')
	}
	return &http.Response{
		Status: a.status, StatusCode: code, Header: header, Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}
}

// cannedResponses is a transport that returns one response after the other, and then repeats the last one. It
// records the requests.
type cannedResponses struct {
	list     []canned
	requests []*http.Request
	bodies   [][]byte
}

func (a *cannedResponses) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
		req.Body.Close()
	}
	a.requests = append(a.requests, req)
	a.bodies = append(a.bodies, body)
	next := a.list[min(len(a.requests), len(a.list))-1]
	return next.response(req), nil
}

// noBackupBefore is a transport for starts. It responds to a request for the progress that no backup was ever
// requested, and sends all other requests through next.
func noBackupBefore(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/GetBackupProgress") {
			return ok("null").response(req), nil
		}
		return next.RoundTrip(req)
	})
}

// posts returns how many requests that start a backup were sent to a cluster.
func posts(cluster *sfbackuptest.Cluster) int {
	n := 0
	for _, r := range cluster.Requests() {
		if r.Method == http.MethodPost {
			n++
		}
	}
	return n
}

const jsonType = "application/json; charset=utf-8"

func ok(body string) canned { return canned{status: "200 OK", contentType: jsonType, body: body} }

// backupIDs returns the identities of all backups that a cluster has of some partitions.
func backupIDs(cluster *sfbackuptest.Cluster, partitions ...uuid.UUID) map[uuid.UUID]bool {
	ids := map[uuid.UUID]bool{}
	for _, p := range partitions {
		for _, b := range cluster.Backups(p) {
			ids[b.ID] = true
		}
	}
	return ids
}

// lastBackup returns the last backup that a cluster has of a partition.
func lastBackup(cluster *sfbackuptest.Cluster, partition uuid.UUID) sfbackuptest.Backup {
	backups := cluster.Backups(partition)
	return backups[len(backups)-1]
}

// debugLog returns the option to log to a writer at level debug, without some attributes.
func debugLog(w io.Writer, without ...string) sfbackup.Option {
	return sfbackup.WithLogger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if slices.Contains(without, a.Key) {
				return slog.Attr{}
			}
			return a
		},
	})))
}

// collect reads a list to its end.
func collect(seq func(func(sfbackup.Backup, error) bool)) (backups []sfbackup.Backup, err error) {
	for b, e := range seq {
		if e != nil {
			if err != nil {
				panic("a list continues after an error")
			}
			err = e
			continue
		}
		backups = append(backups, b)
	}
	return backups, err
}

// neverSent is a transport that fails the test when a request is sent.
func neverSent(t testing.TB) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		t.Errorf("%s %s was sent", req.Method, req.URL)
		return canned{status: "500 Internal Server Error"}.response(req), nil
	})
}

// page returns the JSON of a page with a continuation token, itself in JSON, and backups with these identities.
func page(token string, ids ...uuid.UUID) string {
	var b bytes.Buffer
	b.WriteString(`{"Items":[`)
	for i, id := range ids {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"BackupId":"` + id.String() + `","CreationTimeUtc":"2018-01-01T09:00:55Z"}`)
	}
	b.WriteString(`],"ContinuationToken":` + token + `}`)
	return b.String()
}
