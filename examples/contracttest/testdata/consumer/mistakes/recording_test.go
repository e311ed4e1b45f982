package mistakes

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"example.com/consumer"
)

// Recorder is a transport that records exchanges as a proxy does.
type recorder struct{ entries []any }

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	request := map[string]any{
		"method": req.Method, "url": req.URL.String(), "httpVersion": "HTTP/1.1", "headers": headers(req.Header),
		"queryString": []any{}, "cookies": []any{}, "headersSize": -1, "bodySize": req.ContentLength,
	}
	if req.Body != nil && req.Body != http.NoBody {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		request["postData"] = map[string]any{"mimeType": req.Header.Get("Content-Type"), "text": string(body)}
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	r.entries = append(r.entries, map[string]any{
		"startedDateTime": "2026-01-02T03:04:05.000Z", "time": 1, "cache": map[string]any{},
		"timings": map[string]any{"send": 0, "wait": 1, "receive": 0},
		"request": request,
		"response": map[string]any{
			"status": resp.StatusCode, "statusText": http.StatusText(resp.StatusCode), "httpVersion": "HTTP/1.1",
			"headers": headers(resp.Header), "cookies": []any{}, "redirectURL": "", "headersSize": -1, "bodySize": len(body),
			"content": map[string]any{"size": len(body), "mimeType": resp.Header.Get("Content-Type"), "text": string(body)},
		},
	})
	return resp, nil
}

func headers(h http.Header) []map[string]string {
	list := []map[string]string{}
	for name, values := range h {
		for _, value := range values {
			list = append(list, map[string]string{"name": name, "value": value})
		}
	}
	return list
}

// TestRecording writes recording.har: both programs of this package with those of package consumer, three more
// mistakes, and a request of another API.
func TestRecording(t *testing.T) {
	good, bad := httptest.NewServer(consumer.NewFake()), httptest.NewServer(newFake())
	t.Cleanup(good.Close)
	t.Cleanup(bad.Close)
	var r recorder
	c := consumer.Client{Endpoint: good.URL, HTTP: &http.Client{Transport: &r}}
	useClient(t, &client{c})
	if _, err := c.State(t.Context(), consumer.Partition); err != nil {
		t.Error(err)
	}
	query := url.Values{"MaxResults": {"ten"}}
	if err := c.Do(t.Context(), http.MethodGet, "/Partitions/"+consumer.Partition+"/$/GetBackups", query, nil, nil); err != nil {
		t.Error(err)
	}
	for _, send := range []struct{ method, path, body string }{
		{http.MethodPost, "/Partitions/" + consumer.Partition + "/$/Backup?api-version=6.4", "{}"}, // without a content type
		{http.MethodGet, "/Partitions/" + consumer.Partition + "/$/GetBackupProgress/?api-version=6.4", ""},
		{http.MethodGet, "/Nodes?api-version=6.4", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), send.method, good.URL+send.path, strings.NewReader(send.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.HTTP.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	c.Endpoint = bad.URL
	useFake(t, &c)
	har, err := json.Marshal(map[string]any{"log": map[string]any{
		"version": "1.2", "creator": map[string]any{"name": "consumer", "version": "1"}, "entries": r.entries,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("recording.har", har, 0o600); err != nil {
		t.Error(err)
	}
}
