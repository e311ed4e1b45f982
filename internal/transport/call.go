package transport

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"

	"github.com/servicefabric-go/backup/internal/text"
)

// A Call says what a request is for and how its response is to be treated.
type Call struct {
	Operation string     // the name of the operation, for logs and middleware
	Want      []int      // the statuses of a success, at least one
	Attempt   int        // the number of the attempt, from 1, if the caller does the retries; 0 is 1
	Single    bool       // the caller does the retries, so Do sends the request once
	Whole     int64      // if not 0, the body of a success is read into memory, Whole+1 bytes of a longer one; 0: the caller streams it
	Trace     *ConnTrace // records what was sent; nil: not needed
	Secrets   []string   // what the request holds that no text may repeat; kept for later calls, too

	// MaySend is asked before the request leaves this package, and again before its body is written. Its error ends the
	// call, and the server gets no whole request. With it, there has to be a Trace. Nil: not needed.
	MaySend func() error
}

// record is a call on its way through the chain. It is the one value that this package keeps in contexts.
type record struct {
	Call

	response *http.Response
	failure  *Failure                // what response says
	proxy    atomic.Pointer[url.URL] // that the transport has chosen; nil: none
}

type recordKey struct{}

func withRecord(ctx context.Context, r *record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// recordOf returns the record of a request that Do has sent.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// CallFromContext returns the call that a request is sent for, given the context of the request, and false if
// there is none.
func CallFromContext(ctx context.Context) (Call, bool) {
	r, ok := ctx.Value(recordKey{}).(*record)
	if !ok {
		return Call{}, false
	}
	return r.Call, true
}

// CallError makes the error of a call of err, with which it failed without a response or while its response was
// read: that of [ContextError] if the context has ended, and else err in one line and without the URL of the
// request.
func CallError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		// The call failed because its caller gave up.
		err = ContextError(ctx)
	}
	// A URL holds continuation tokens and can be long; the operation says more.
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // that of an http.Client, and none below it
		err = u.Err
	}
	return text.Redact(err)
}

// ContextError returns the error of a context that has ended. errors.Is finds both its cause and its Err in it.
func ContextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
