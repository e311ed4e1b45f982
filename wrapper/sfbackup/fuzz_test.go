package sfbackup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
	"github.com/servicefabric-go/backup/internal/transport"
	"github.com/servicefabric-go/backup/internal/wire"
)

// addBodies adds the documented and reconstructed bodies to a corpus.
func addBodies(f *testing.F) {
	f.Helper()
	files, err := filepath.Glob("../../openapi/testdata/*/*")
	if err != nil || len(files) < 20 {
		f.Fatal(len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		// The bodies of the request and the response of a transcript.
		for part := range bytes.SplitSeq(data, []byte("\n\n")) {
			if i := bytes.IndexByte(part, '{'); i >= 0 {
				f.Add(part[i : bytes.LastIndexByte(part, '}')+1])
			}
		}
		f.Add(data)
	}
}

// returnedPerItem is the memory that a list uses for each item apart from its strings, whatever the item is: the
// partition and the failure, which are small structs, and the identity of the backup, which is kept while its
// page is read in a slice that grows.
const returnedPerItem = 256

// A syntax error contains a JSON pointer to its place, and so repeats the names on the path to it. Package jsontext
// builds the pointer from many growing copies, once for each page. Names that fit into its first buffers are not
// checked before. So a name can be as long as these, and three times as long if it is not UTF-8.
const (
	pointerFactor = 12
	maxPointer    = 3 * 8 << 10
)

// pointerLength returns the length of the JSON pointer of an error.
func pointerLength(err error) int {
	e, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return 0
	}
	return len(e.JSONPointer)
}

// Reading a page does not panic, every backup that was read can be written and read again, and input that is not
// JSON is an error.
//
// The reader keeps to the memory limit however many items there are. A list may use a constant amount more for
// each item, because the caller gets a value for each "{}". A Page has all of them in one slice: it ends up to a
// quarter longer than necessary, and its earlier copies add up to less than five times its length.
func FuzzPage(f *testing.F) {
	addBodies(f)
	addHostileBodies(f)
	f.Add([]byte(`{"Items":[{"CreationTimeUtc":"9999-12-31T23:59:59-01:00"}]}`))
	f.Add([]byte(`{"Items":[{"PartitionInformation":{"ServicePartitionKind":"Ring","Id":7}}],"ContinuationToken":"a+b c"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		items := 0
		var err error
		read := func() {
			reader := wire.NewPageDecoder[generated.BackupInfo](bytes.NewReader(data))
			var info generated.BackupInfo
			for items = 0; ; items++ {
				if err = reader.Next(&info); err != nil {
					return
				}
			}
		}
		read()
		returned := pointerFactor * uint64(min(pointerLength(err), maxPointer))
		checkMemory(t, len(data), returned, read)
		returned += returnedPerItem * uint64(items)
		checkMemory(t, len(data), returned, func() { readList(t, data, func(Backup) bool { return true }) })
		checkMemory(t, len(data), returned+6*uint64(items)*uint64(reflect.TypeFor[Backup]().Size()), func() {
			var page Page
			readList(t, data, func(b Backup) bool {
				page.Backups = append(page.Backups, b)
				return true
			})
		})

		page := wire.NewPageDecoder[generated.BackupInfo](bytes.NewReader(data))
		for {
			var info generated.BackupInfo
			err := page.Next(&info)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			b := newBackup(&info)
			written, err := json.Marshal(b)
			if err != nil {
				t.Fatalf("%+v cannot be written: %v", b, err)
			}
			var again Backup
			if err := json.Unmarshal(written, &again); err != nil {
				t.Fatalf("%s cannot be read again: %v", written, err)
			}
			if b.PartitionInformation.Kind() != again.PartitionInformation.Kind() || b.BackupID != again.BackupID || !b.CreationTimeUTC.Equal(again.CreationTimeUTC) {
				t.Fatalf("%+v became %+v", b, again)
			}
		}
		if !json.Valid(data) {
			t.Errorf("read as a page, but not JSON: %q", data)
		}
	})
}

// fuzzClient sends nothing.
var fuzzClient, _ = NewClient("http://localhost")

// readList reads a page as a list does.
func readList(t *testing.T, data []byte, receive func(Backup) bool) {
	t.Helper()
	body := transport.NewStream(&http.Response{Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data))})
	_, _ = (&pageReader{list: &list{client: fuzzClient}, receive: receive}).readBody(t.Context(), body.Buffered())
}

// addHostileBodies adds bodies that cost a decoder the most for their length.
func addHostileBodies(f *testing.F) {
	f.Helper()
	for _, body := range []string{
		// Deep nesting: each level is a stack frame, or part of the pointer of an error.
		`{"Items":[],"x":` + strings.Repeat("[", 9000),
		`{"Items":[{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}]}`,
		`{"Items":[{"PartitionInformation":` + strings.Repeat(`{"":`, 5000) + `1` + strings.Repeat("}", 5000) + `}]}`,
		`{"StorageKind":"Tape","x":` + strings.Repeat(`{"":`, 5000) + `1` + strings.Repeat("}", 5000) + `}`,
		strings.Repeat(`{"Error":`, 5000),
		// Many short values.
		`{"Items":[{}` + strings.Repeat(",{}", 9000) + `]}`,
		`{"Items":[` + strings.Repeat(`{"BackupId":"d1e2fd6a47124212a37a000000000000"},`, 1000) + `null]}`,
		`{"Items":[` + strings.Repeat(`{"BackupId":"d1e2fd6a47124212a37a000000000000","FailureError":{}},`, 1000) + `null]}`,
		`{"Items":[` + strings.Repeat(`{"backupid":null},`, 2000) + `{}]}`,
		`{"Items":[` + strings.Repeat(`{"FailureError":{}},`, 2000) + `{}]}`,
		`{"Items":[` + strings.Repeat(`{"PartitionInformation":{"Id":1}},`, 2000) + `{}]}`,
		`{"Items":[` + strings.Repeat(`{"LsnOfLastBackupRecord":"\u0031"},`, 2000) + `{}]}`,
		`{"StorageKind":"Tape"` + strings.Repeat(`,"":1`, 5000) + `}`,
		`{"ServicePartitionKind":"Named"` + strings.Repeat(`,"name":""`, 2000) + `}`,
		`{"BackupState":"Success"` + strings.Repeat(`,"failureerror":{}`, 2000) + `}`,
		`{"Code":""` + strings.Repeat(`,"Code":"\n"`, 2000) + `}`,
		// Strings with bytes that become three, or with escapes.
		`{"Message":"` + strings.Repeat("\xff", 20000) + `"}`,
		`{"Message":"` + strings.Repeat("a ", 10000) + `"}`,
		`{"BackupState":"` + strings.Repeat(`\n`, 10000) + `"}`,
		`{"Items":[{"BackupLocation":"` + strings.Repeat("\xff", 20000) + `"}]}`,
		`{"Items":[{"BackupType":"` + strings.Repeat("\xff\\n", 10000) + `"}]}`,
		`{"Items":[{"LsnOfLastBackupRecord":"` + strings.Repeat("0", 20000) + `"}]}`,
		`{"Items":[{"CreationTimeUtc":"` + strings.Repeat("\xff", 20000) + `"}]}`,
		`{"Items":[{"BackupId":"` + strings.Repeat("\xff", 20000) + `"}]}`,
		`{"Items":[{"FailureError":{"Code":"` + strings.Repeat("\xff", 20000) + `"}}]}`,
		`{"Items":[{"` + strings.Repeat("\xff", 20000) + `":1}]}`,
		`{"` + strings.Repeat("\xff", 20000) + `":1}`,
		`{"ContinuationToken":"` + strings.Repeat("\xff", 20000) + `"}`,
		// Partitions of unknown kinds, whose whole text is kept.
		`{"Items":[{"PartitionInformation":"` + strings.Repeat("a", 60000) + `"}]}`,
		`{"Items":[{"PartitionInformation":[1` + strings.Repeat(",1", 30000) + `]}]}`,
		`{"Items":[{"PartitionInformation":{"ServicePartitionKind":"` + strings.Repeat("\xff", 50000) + `"}}]}`,
	} {
		f.Add([]byte(body))
	}
	for _, start := range []string{`{"`, `{"Items":[{"`, `{"Items":[{"PartitionInformation":{"`} {
		for _, char := range []string{"a", "~", "\xff"} {
			for _, length := range []int{300, 4000, 7000, 60000} {
				f.Add([]byte(start + strings.Repeat(char, length) + `":x`))
			}
		}
	}
}

func FuzzProgress(f *testing.F) {
	addBodies(f)
	addHostileBodies(f)
	f.Add([]byte(`{"TimeStampUtc":"9999-12-31T23:59:59-01:00"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkMemory(t, len(data), 0, func() { _, _ = decodeProgress(data) })
		p, err := decodeProgress(data)
		if (p == nil) == (err == nil) {
			t.Fatalf("got %v, %v", p, err)
		}
		if err != nil {
			return
		}
		written, err := json.Marshal(p)
		if err != nil {
			t.Fatalf("%+v cannot be written: %v", p, err)
		}
		var again Progress
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s cannot be read again: %v", written, err)
		}
		if !p.TimeStampUTC.Equal(again.TimeStampUTC) {
			t.Fatalf("%+v became %+v", p, again)
		}
		p.TimeStampUTC = again.TimeStampUTC
		if !reflect.DeepEqual(p, &again) {
			t.Fatalf("%+v became %+v", p, again)
		}
	})
}

// Every body becomes an error with a text of one short line.
func FuzzAPIError(f *testing.F) {
	addBodies(f)
	addHostileBodies(f)
	f.Add([]byte(`{"Error":{"Code":"A\nB\u001b[1m","Message":"m"}}`))
	f.Add([]byte(`{"Error":{"Code":-1,"Message":"a` + "\u2028" + `b"}}`))
	var resp *http.Response
	client, err := NewClient("http://localhost", WithRetry(RetryPolicy{MaxAttempts: 1}), WithHTTPClient(&http.Client{
		Transport: roundTripFunc(func(*http.Request) (*http.Response, error) { return resp, nil }),
	}))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		status := "500 " + string(data[:min(len(data), 40)])
		var line string
		checkMemory(t, len(data), 0, func() {
			resp = &http.Response{Status: status, StatusCode: http.StatusInternalServerError, Body: io.NopCloser(bytes.NewReader(data))}
			_, err := client.BackupProgress(t.Context(), partition)
			line = err.Error()
		})
		// The code and the message have up to 300 bytes each.
		if !utf8.ValidString(line) || len(line) > 900 ||
			strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) && r != utf8.RuneError }) {
			t.Errorf("not one printable line: %q", line)
		}
	})
}

// partition is a partition of the documentation's examples.
var partition = uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")

// A storage that can be read can be sent, unless a required property is missing. What is sent is read as the same
// storage.
func FuzzStorage(f *testing.F) {
	addBodies(f)
	addHostileBodies(f)
	f.Add([]byte(`{"StorageKind":"Tape","Reel":[1, 2.50]}`))
	f.Add([]byte(`{"StorageKind":"AzureBlobStore","ConnectionString":"a","ContainerName":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkMemory(t, len(data), 0, func() { _, _ = ParseBackupStorage(data) })
		s, err := ParseBackupStorage(data)
		if (s == nil) == (err == nil) {
			t.Fatalf("got %v, %v", s, err)
		}
		if err != nil {
			return
		}
		body, err := appendStorage(nil, s)
		if err != nil {
			return
		}
		if u, ok := s.(*UnknownStorage); ok && !bytes.Equal(u.Raw, body) {
			t.Fatalf("%s is sent as %s", u.Raw, body)
		}
		again, err := ParseBackupStorage(body)
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%s became %s, %v", data, body, err)
		}
	})
}

func FuzzPartition(f *testing.F) {
	addBodies(f)
	addHostileBodies(f)
	f.Add([]byte(`{"ServicePartitionKind":"Int64Range","LowKey":"-1","HighKey":7}`))
	f.Add([]byte(`{"ServicePartitionKind":"Ring","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		item := append(append([]byte(`{"PartitionInformation":`), data...), '}')
		// A stored backup may have names of any length, and so may the pointer of an error.
		pointer := pointerLength(new(Backup).UnmarshalJSON(item))
		checkMemory(t, len(item), pointerFactor*uint64(pointer), func() { _ = new(Backup).UnmarshalJSON(item) })
		var b Backup
		if json.Unmarshal(item, &b) != nil {
			return
		}
		p := b.PartitionInformation
		if u, ok := p.(*UnknownPartition); ok && u.Raw != nil && !bytes.Contains(data, u.Raw) {
			t.Fatalf("%s is not part of the input", u.Raw)
		}
		w := wirePartition(p)
		if again := newPartition(&w); !reflect.DeepEqual(p, again) {
			t.Fatalf("%+v became %+v", p, again)
		}
	})
}

// The normalized form of an accepted endpoint is accepted and does not change, and requests go to its host, below
// its path. The error of a rejected endpoint does not repeat it, because it may contain a secret.
func FuzzEndpoint(f *testing.F) {
	for _, endpoint := range []string{
		"http://localhost:19080", "https://gateway/sf/cluster/", "https://gateway/sf%2Fa", "http://[::1]:19080", "http://[fe80::1%25eth0]", "HTTP://LOCALHOST",
		"http://localhost/a/../b//c/.", "http://localhost/%2e%2e/a", "http://localhost?a=s3cret", "http://s3cret:pw@localhost", "http://localhost#s3cret",
		"http:localhost", "http:///a", "localhost:19080", "http://a b/", "http://localhost/\u00e9 %zz", "http://localhost/a:b;c,d", "http://localhost/%",
	} {
		f.Add(endpoint)
	}
	messages := map[string]bool{
		"the endpoint is not a URL": true, `the endpoint has to begin with "http://" or "https://"`: true, "the endpoint has no host": true,
		"the endpoint holds user information": true, "the endpoint has a query": true, "the endpoint has a fragment": true,
	}
	f.Fuzz(func(t *testing.T, endpoint string) {
		u, err := transport.ParseEndpoint(endpoint)
		if err != nil {
			if !messages[err.Error()] {
				t.Errorf("%q: %v", endpoint, err)
			}
			return
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !strings.HasSuffix(u.Path, "/") {
			t.Fatalf("%q is accepted as %+v", endpoint, u)
		}
		again, err := transport.ParseEndpoint(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q is normalized to %q, which becomes %v, %v", endpoint, u, again, err)
		}
		var sent *http.Request
		client, err := NewClient(endpoint, WithRetry(RetryPolicy{MaxAttempts: 1}), WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			sent = req
			return nil, errors.New("not sent")
		})}))
		if err != nil {
			t.Fatalf("%q: %v", endpoint, err)
		}
		if _, err = client.BackupProgress(t.Context(), partition); sent == nil {
			t.Fatalf("%q: nothing is sent: %v", endpoint, err)
		}
		if want := u.EscapedPath() + "Partitions/" + partition.String() + "/$/GetBackupProgress"; sent.URL.Host != u.Host || sent.URL.EscapedPath() != want {
			t.Errorf("%q: the request goes to %s, want %s on %s", endpoint, sent.URL, want, u.Host)
		}
	})
}

// The full form of an accepted name is accepted and does not change, and the path of its request identifies that
// service and no other.
func FuzzServiceName(f *testing.F) {
	for _, name := range []string{"fabric:/CalcApp/CalcService", "CalcApp~CalcService", "a/../b", "a//b", "a%2Fb", "$", "fabric:", ":", "a?b#c", ";,"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		full, err := ParseServiceName(name)
		if err != nil {
			return
		}
		if again, err := ParseServiceName(string(full)); again != full || err != nil {
			t.Fatalf("%q became %q, %v", full, again, err)
		}
		var path string
		client, err := NewClient("http://localhost/base", WithHTTPClient(&http.Client{Transport: roundTripFunc(func(req *http.Request) (*http.Response, error) {
			path = req.URL.RequestURI()
			parsed, err := http.NewRequest(http.MethodGet, "http://localhost"+path, nil) //nolint:noctx // it is only read
			if err != nil || parsed.URL.Path != "/base/Services/"+full.slashed()+"/$/GetBackups" {
				t.Errorf("%q: the path is %s, %v", name, path, err)
			}
			return nil, errors.New("not sent")
		})}), WithRetry(RetryPolicy{MaxAttempts: 1}))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = client.ServiceBackupsPage(t.Context(), ServiceName(name), nil)
		if path == "" || strings.Contains(path, "%2F") || strings.Contains(path, "//") {
			t.Errorf("%q: the path is %q", name, path)
		}
	})
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
