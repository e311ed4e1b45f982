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

	"github.com/servicefabric-go/backup/generated"
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

// A page is read without a panic; what is read can be written and read again; and what
// encoding/json cannot read at all is not read either.
func FuzzPage(f *testing.F) {
	addBodies(f)
	f.Add([]byte(`{"Items":[{"PartitionInformation":{"ServicePartitionKind":"Ring","Id":7}}],"ContinuationToken":"a+b c"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		page := wire.NewPage[backupFields](bytes.NewReader(data))
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

func FuzzProgress(f *testing.F) {
	addBodies(f)
	f.Fuzz(func(t *testing.T, data []byte) {
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
	f.Add([]byte(`{"Error":{"Code":"A\nB\u001b[1m","Message":"m"}}`))
	f.Add([]byte(`{"Error":{"Code":-1,"Message":"a` + "\u2028" + `b"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		resp := &http.Response{
			Status: "500 " + string(data[:min(len(data), 40)]), StatusCode: http.StatusInternalServerError,
			Body: io.NopCloser(bytes.NewReader(data)),
		}
		err := newAPIError("GetPartitionBackupList", resp, "id")
		if text := err.Error(); strings.ContainsAny(text, "\r\n") || len(text) > 3*maxText {
			t.Errorf("the text is %q", text)
		}
	})
}

// A storage that can be read can be sent, unless something is missing; and is the same when it is
// read once more.
func FuzzStorage(f *testing.F) {
	addBodies(f)
	f.Add([]byte(`{"StorageKind":"Tape","Reel":[1, 2.50]}`))
	f.Add([]byte(`{"StorageKind":"AzureBlobStore","ConnectionString":"a","ContainerName":"b"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
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
	f.Add([]byte(`{"ServicePartitionKind":"Int64Range","LowKey":"-1","HighKey":7}`))
	f.Add([]byte(`{"ServicePartitionKind":"Ring","Id":"1daae3f5-7fd6-42e9-b1ba-8c05f873994d"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var b Backup
		if json.Unmarshal(append(append([]byte(`{"PartitionInformation":`), data...), '}'), &b) != nil {
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
