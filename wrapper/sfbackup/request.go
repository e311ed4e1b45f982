package sfbackup

import (
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/generated"
)

// A partitionRequest makes the request of an operation for a partition, with a timeout in seconds unless that is nil.
type partitionRequest func(partition uuid.UUID, timeout *generated.Timeout) (*http.Request, error)

// partitionRequests returns a function that makes the requests of one operation for any partition. build
// makes a template when the first one is needed; the requests of partitions differ only in the identity.
// For many partitions, building every request anew would be a third of the client's work.
//
// Each request has its own header, URL and body, so it can be changed and sent.
func partitionRequests(build func(uuid.UUID) (*http.Request, error)) partitionRequest {
	id := uuid.UUID{15: 1}
	placeholder := id.String()
	first := sync.OnceValues(func() (*http.Request, error) { return build(id) })
	return func(partition uuid.UUID, timeout *generated.Timeout) (*http.Request, error) {
		template, err := first()
		if err != nil {
			return nil, err
		}
		made := &struct {
			req http.Request
			url url.URL
		}{*template, *template.URL}
		req, u := &made.req, &made.url
		name := partition.String()
		u.Path = replaceLast(u.Path, placeholder, name)
		u.RawPath = replaceLast(u.RawPath, placeholder, name)
		if timeout != nil {
			u.RawQuery += "&timeout=" + strconv.FormatInt(int64(*timeout), 10)
		}
		req.URL = u
		req.Header = make(http.Header, len(template.Header)+5) // what send and the transport add
		maps.Copy(req.Header, template.Header)
		if template.GetBody != nil {
			req.Body, err = template.GetBody()
		}
		return req, err
	}
}

// replaceLast replaces the last old in s, if there is one.
func replaceLast(s, old, with string) string {
	i := strings.LastIndex(s, old)
	if i < 0 {
		return s
	}
	return s[:i] + with + s[i+len(old):]
}
