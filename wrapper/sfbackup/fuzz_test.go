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

// addBodies adds the bodies of all examples and reconstructions to a corpus.
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
		// The answer of a transcript, and the request body.
		for part := range bytes.SplitSeq(data, []byte("\n\n")) {
			if i := bytes.IndexByte(part, '{'); i >= 0 {
				f.Add(part[i : bytes.LastIndexByte(part, '}')+1])
			}
		}
		f.Add(data)
	}
}

// returnedPerItem is what a list hands out for an item beside its fields, whatever the item is: a
// partition, and why the backup failed. Both are small structs. The identity of the backup is kept while
// its page is read, in a slice that grows.
const returnedPerItem = 256

// A syntax error says by a JSON pointer where it is, and so repeats the names that it is behind. Package
// jsontext makes it of many copies that grow, once for a page. What fits into its first buffers is not
// looked at before, so that a name there can be that long, and three times as long when it is not UTF-8.
const (
	pointerFactor = 12
	maxPointer    = 3 * 8 << 10
)

// pointerLength returns how long the JSON pointer of an error is.
func pointerLength(err error) int {
	e, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return 0
	}
	return len(e.JSONPointer)
}

// A page is read without a panic; what is read can be written and read again; and what
// encoding/json cannot read at all is not read either.
//
// The reader itself keeps to the bound on memory without exception, however many items there are. A list
// may take a constant for each item more, as the caller is given a value for each "{}". In a Page all of
// them are together: the slice ends up to a quarter longer than it has to be, and all that it was before
// adds up to less than five times that.
func FuzzPage(f *testing.F) {
	addBodies(f)
	addHostileBodies(f)
	f.Add([]byte(`{"Items":[{"CreationTimeUtc":"9999-12-31T23:59:59-01:00"}]}`))
	f.Add([]byte(`{"Items":[{"PartitionInformation":{"ServicePartitionKind":"Ring","Id":7}}],"ContinuationToken":"a+b c"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		items := 0
		var err error
		read := func() {
			reader := wire.NewPageDecoder[backupFields](bytes.NewReader(data))
			var info backupFields
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

		page := wire.NewPageDecoder[backupFields](bytes.NewReader(data))
		for {
			var info backupFields
			err := page.Next(&info)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			b := newBackup((*generated.BackupInfo)(&info))
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
			t.Errorf("not JSON, but a page: %q", data)
		}
	})
}

// readList reads a page as a list does.
func readList(t *testing.T, data []byte, receive func(Backup) bool) {
	t.Helper()
	body := &pageBody{resp: &http.Response{Body: io.NopCloser(bytes.NewReader(data)), ContentLength: int64(len(data))}}
	_, _ = (&pageReader{list: new(list), receive: receive}).readBody(t.Context(), body.buffered())
}

// addHostileBodies adds what costs a decoder most for its length.
func addHostileBodies(f *testing.F) {
	f.Helper()
	for _, body := range []string{
		// Levels, of which each is a frame of a recursion, or a place in an error.
		`{"Items":[],"x":` + strings.Repeat("[", 9000),
		`{"Items":[{"x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}]}`,
		`{"Items":[{"PartitionInformation":` + strings.Repeat(`{"":`, 5000) + `1` + strings.Repeat("}", 5000) + `}]}`,
		`{"StorageKind":"Tape","x":` + strings.Repeat(`{"":`, 5000) + `1` + strings.Repeat("}", 5000) + `}`,
		strings.Repeat(`{"Error":`, 5000),
		// Many of what is short.
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
		// Texts, whose bytes become three or are taken apart.
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

// Every body becomes an error of one line that is not a body.
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

// partition is a partition that nothing is known about.
var partition = uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")

// A storage that can be read can be sent, unless something is missing; and is the same when it is
// read once more.
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
		// What a caller has kept may have names of any length, and so may the pointer of an error.
		pointer := pointerLength(new(Backup).UnmarshalJSON(item))
		checkMemory(t, len(item), pointerFactor*uint64(pointer), func() { _ = new(Backup).UnmarshalJSON(item) })
		var b Backup
		if json.Unmarshal(item, &b) != nil {
			return
		}
		p := b.PartitionInformation
		if u, ok := p.(*UnknownPartition); ok && u.Raw != nil && !bytes.Contains(data, u.Raw) {
			t.Fatalf("%s is not what came", u.Raw)
		}
		w := wirePartition(p)
		if again := newPartition(&w); !reflect.DeepEqual(p, again) {
			t.Fatalf("%+v became %+v", p, again)
		}
	})
}

// An endpoint that is accepted is accepted again as it is kept, as the same; requests go to its host and
// below its path. One that is not accepted may hold a secret, so that the error does not repeat it.
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
			t.Fatalf("%q is kept as %q, which becomes %v, %v", endpoint, u, again, err)
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

// A name that is accepted is accepted again as it is returned, and its path leads to it and nowhere
// else.
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
