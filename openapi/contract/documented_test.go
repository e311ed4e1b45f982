package contract_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/openapi"
	"github.com/servicefabric-go/backup/openapi/contract"
)

func newValidator(t testing.TB, document []byte) *contract.Validator {
	t.Helper()
	v, err := contract.New(document)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// readExchange reads a request and its response in the format of the transcripts.
func readExchange(t testing.TB, text string) (*http.Request, *http.Response) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(text))
	req, err := http.ReadRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := http.ReadResponse(r, req)
	if err != nil {
		t.Fatal(err)
	}
	return req, resp
}

// The documented examples are valid under both documents, and their bodies can still be read.
func TestDocumentedExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../testdata/documented/*.http")
	if err != nil || len(files) != 14 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for name, document := range map[string][]byte{"Documented": openapi.Documented, "Runtime": openapi.Runtime} {
		v := newValidator(t, document)
		for _, file := range files {
			t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				data, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				req, resp := readExchange(t, string(data))
				if err := v.CheckRequest(req); err != nil {
					t.Error(err)
				}
				if err := v.CheckResponse(req, resp); err != nil {
					t.Error(err)
				}
				sent, _ := io.ReadAll(req.Body)
				received, _ := io.ReadAll(resp.Body)
				if !bytes.HasSuffix(data, received) || !bytes.Contains(data, sent) || len(sent)+len(received) == 0 {
					t.Error("the bodies have changed")
				}
			})
		}
	}
}
