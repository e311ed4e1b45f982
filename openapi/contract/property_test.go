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

// rapidSource makes the choices of a generator with rapid, which shrinks failures.
type rapidSource struct{ *rapid.T }

func (d rapidSource) IntN(n int) int { return rapid.IntRange(0, n-1).Draw(d.T, "choice") }

// Every response that the Documented schemas allow is valid under both documents. The client decodes it and
// encodes it again as an equivalent JSON value.
func TestClientKeepsResponses(t *testing.T) {
	t.Parallel()
	comparers := []*comparer{newComparer(t, "Documented"), newComparer(t, "Runtime")}
	o := comparers[0].oracle
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
				body := o.random(rapidSource{rt}, "#/components/schemas/"+schema)
				setBackupIDs(body)
				x.body = body.json()
				for _, c := range comparers {
					if err := c.validator.CheckResponse(x.request(), x.response()); err != nil {
						rt.Fatalf("%s is invalid under %s: %v", x.body, c.profile, err)
					}
				}
				want, got := decodeValue(rt, x.body), decodeValue(rt, encodedByClient(rt, &x))
				if diff := cmp.Diff(normalize(formats, "", want), normalize(formats, "", got)); diff != "" {
					rt.Fatalf("%s\nis encoded as (-received +encoded):\n%s", x.body, diff)
				}
			})
		})
	}
}

// setBackupIDs gives an identity to the backups of a page that have none or one of zeros. The schemas allow
// them, but to the client they are an error.
func setBackupIDs(page *node) {
	items := page.member("Items")
	if items == nil {
		return
	}
	for i, item := range items.items {
		if id := item.member("BackupId"); id != nil && id.kind == '"' && id.text != scalar(uuid.Nil.String()).text {
			continue
		}
		item = item.with("BackupId", nil)
		item.members = append(item.members, member{"BackupId", scalar(aPartition)})
		items.items[i] = item
	}
}

// encodedByClient returns a response as the client encodes it after it has decoded it.
func encodedByClient(rt *rapid.T, x *exchange) []byte {
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
		rt.Fatalf("trailing data after %s", data)
	}
	return value
}

// propertyFormats returns formats by the name of the property. A name has the same format in all schemas.
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

// normalize returns a JSON value in a normal form, for comparison.
//
// It omits properties that are absent, null or zero. The client's types have no pointers, so that callers
// need no accessors, and therefore do not distinguish an absent value from the zero value. No zero is
// significant in this API: servers send an all-zero UUID, the year 1 and LSN 0 for values that are not set.
//
// UUIDs are compared without case, times without their zone, and integers without leading zeros.
func normalize(formats map[string]string, property string, value any) any {
	switch value := value.(type) {
	case map[string]any:
		object := map[string]any{}
		for name, v := range value {
			if v = normalize(formats, name, v); v != nil {
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
			list[i] = normalize(formats, "", v)
		}
		return list
	case string:
		return normalizeText(formats[property], value)
	}
	return value
}

func normalizeText(format, text string) any {
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
