package contract_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// drawn makes the choices of a generator through rapid, which reduces a failure to the choices that
// matter.
type drawn struct{ *rapid.T }

func (d drawn) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.T, "choice") }

// Every answer that the Documented schemas allow is right under both documents. The client reads it
// and writes it again as the same JSON value.
func TestClientKeepsAnswers(t *testing.T) {
	t.Parallel()
	judges := []*judge{newJudge(t, "Documented"), newJudge(t, "Runtime")}
	o := judges[0].oracle
	formats := propertyFormats(o)
	for operation, schema := range map[string]string{
		"GetPartitionBackupProgress": "BackupProgressInfo",
		"GetPartitionBackupList":     "PagedBackupInfoList",
		"GetServiceBackupList":       "PagedBackupInfoList",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				x := newExchange(operation, schema)
				x.body = o.random(drawn{rt}, "#/components/schemas/"+schema).json()
				for _, j := range judges {
					if err := j.validator.CheckResponse(x.request(), x.response()); err != nil {
						rt.Fatalf("%s is wrong under %s: %v", x.body, j.profile, err)
					}
				}
				want, got := decodeValue(rt, x.body), decodeValue(rt, writtenByClient(rt, &x))
				if diff := cmp.Diff(meaning(formats, "", want), meaning(formats, "", got)); diff != "" {
					rt.Fatalf("%s\nis written as (-received +written):\n%s", x.body, diff)
				}
			})
		})
	}
}

// writtenByClient lets the client read an answer, and returns it as the client writes it.
func writtenByClient(rt *rapid.T, x *exchange) []byte {
	client, err := sfbackup.NewClient("http://localhost:19080", sfbackup.WithHTTPClient(&http.Client{
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			resp := x.response()
			resp.Request = req
			return resp, nil
		}),
	}))
	if err != nil {
		rt.Fatal(err)
	}
	var written any
	switch id := uuid.MustParse(aPartition); x.operation {
	case "GetPartitionBackupProgress":
		written, err = client.BackupProgress(rt.Context(), id)
	case "GetPartitionBackupList":
		var page *sfbackup.Page
		page, err = client.PartitionBackupsPage(rt.Context(), id, nil)
		written = pageObject(page)
	case "GetServiceBackupList":
		var page *sfbackup.Page
		page, err = client.ServiceBackupsPage(rt.Context(), "fabric:/CalcApp/CalcService", nil)
		written = pageObject(page)
	}
	if err != nil {
		rt.Fatalf("%s: %v", x.body, err)
	}
	data, err := json.Marshal(written)
	if err != nil {
		rt.Fatal(err)
	}
	return data
}

func pageObject(page *sfbackup.Page) map[string]any {
	if page == nil {
		return nil
	}
	return map[string]any{"Items": page.Backups, "ContinuationToken": page.ContinuationToken}
}

func decodeValue(rt *rapid.T, data []byte) any {
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		rt.Fatalf("%s: %v", data, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		rt.Fatalf("something follows %s", data)
	}
	return value
}

// propertyFormats returns the formats of properties, which have one meaning in the whole document.
func propertyFormats(o *oracle) map[string]string {
	formats := map[string]string{}
	for name := range o.doc["components"].(map[string]any)["schemas"].(map[string]any) {
		schema, ref := o.resolve("#/components/schemas/" + name)
		properties, _ := schema["properties"].(map[string]any)
		for property := range properties {
			p, _ := o.resolve(ref + "/properties/" + property)
			if format, ok := p["format"].(string); ok {
				formats[property] = format
			}
		}
	}
	return formats
}

// meaning returns a JSON value without what makes no difference.
//
// A property that is absent, null or zero is left out. The client's types have no pointers, so that
// callers need no accessors: a value that is not there and the zero value are one to them. No zero
// means anything in this API: an all-zero UUID, the year 1 and LSN 0 are how servers write "not set".
//
// Identities have no case, a point in time has many zones, and 007 is 7.
func meaning(formats map[string]string, property string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		object := map[string]any{}
		for name, v := range value {
			if v = meaning(formats, name, v); v != nil {
				object[name] = v
			}
		}
		if len(object) == 0 {
			return nil
		}
		return object
	case []any:
		if len(value) == 0 {
			return nil
		}
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = meaning(formats, "", v)
		}
		return list
	case string:
		return textMeaning(formats[property], value)
	}
	return value
}

func textMeaning(format, text string) any {
	if text == "" {
		return nil
	}
	switch format {
	case "uuid":
		if id, err := uuid.Parse(text); err == nil {
			if id == uuid.Nil {
				return nil
			}
			return id.String()
		}
	case "date-time":
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			if at.Year() == 1 {
				return nil
			}
			return at.UTC().Format(time.RFC3339Nano)
		}
	case "int64":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			if n == 0 {
				return nil
			}
			return strconv.FormatInt(n, 10)
		}
	}
	return text
}
