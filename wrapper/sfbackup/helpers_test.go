package sfbackup_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// The names of the documentation's examples, which are those of a cluster without options.
var (
	partition1 = uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	partition2 = uuid.MustParse("81645ec7-d260-4c59-9533-8f129bde8e83")
)

const calcService sfbackup.ServiceName = "fabric:/CalcApp/CalcService"

// roundTripper is a function as a transport: for answers that no cluster gives.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The contract that everything in these tests is held to.
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

// newClient returns a client that sends through a transport, for answers that keep to no contract.
// What is sent keeps to it all the same, storages of unknown kinds apart. Nothing is sent twice, unless
// an option says so.
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

func newUncheckedClient(t testing.TB, transport http.RoundTripper, opts ...sfbackup.Option) *sfbackup.Client {
	t.Helper()
	opts = append([]sfbackup.Option{sfbackup.WithHTTPClient(&http.Client{Transport: transport})}, opts...)
	client, err := sfbackup.NewClient("http://localhost:19080", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// newClusterClient returns a client of a cluster in memory that no one else uses, and that answers
// as a 6.4 cluster does. Every exchange is checked.
func newClusterClient(t testing.TB, opts ...sfbackuptest.Option) (*sfbackup.Client, *sfbackuptest.Cluster) {
	t.Helper()
	cluster := sfbackuptest.NewCluster(opts...)
	return newUncheckedClient(t, contract.ForTest(t, runtime, cluster.Transport())), cluster
}

// newDocumentedClient is the same with a cluster that answers as the documentation says, which is
// right under both documents.
func newDocumentedClient(t testing.TB, opts ...sfbackuptest.Option) (*sfbackup.Client, *sfbackuptest.Cluster) {
	t.Helper()
	cluster := sfbackuptest.NewCluster(append(opts, sfbackuptest.WithProfile(sfbackuptest.ProfileDocumented))...)
	transport := contract.ForTest(t, documented, contract.ForTest(t, runtime, cluster.Transport()))
	return newUncheckedClient(t, transport), cluster
}

// canned is a canned answer.
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

// cannedResponses is a transport that gives one answer after the other, and the last one for good. It keeps
// what it was sent.
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

// noBackupBefore is a transport for starts: there was no backup before, and all else is up to another
// transport.
func noBackupBefore(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/GetBackupProgress") {
			return ok("null").response(req), nil
		}
		return next.RoundTrip(req)
	})
}

// posts returns how many starts were sent to a cluster.
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

// collect reads a list to its end.
func collect(seq func(func(sfbackup.Backup, error) bool)) (backups []sfbackup.Backup, err error) {
	for b, e := range seq {
		if e != nil {
			if err != nil {
				panic("a list goes on after an error")
			}
			err = e
			continue
		}
		backups = append(backups, b)
	}
	return backups, err
}

// neverSent is a transport that fails the test when something is sent.
func neverSent(t testing.TB) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		t.Errorf("%s %s was sent", req.Method, req.URL)
		return canned{status: "500 Internal Server Error"}.response(req), nil
	})
}

// page returns the JSON of a page of backups with these identities.
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
