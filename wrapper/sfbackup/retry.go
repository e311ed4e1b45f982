package sfbackup

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"time"
)

// RetryPolicy says how often and when a request is sent again: after a connection that failed, and after
// an answer that says that it is only for now. The zero value is the default. A request that starts a
// backup is only sent again when it is certain that it has not started one, see [Client.BackupPartition].
type RetryPolicy struct {
	// MaxAttempts is how often a request is sent at most; 0 is 4, 1 is no retry. A list whose
	// connection breaks is asked for again as often without getting any further, and eight times as
	// often in all.
	MaxAttempts int
	// MinDelay is the longest delay before the second attempt; 0 is half a second. It doubles with
	// each further attempt up to MaxDelay; 0 is 10 seconds, or MinDelay if that is longer. The delay
	// is random between nothing and that, so that clients which failed together do not come back
	// together. A server that asks for a longer one by Retry-After gets it, up to five minutes.
	MinDelay, MaxDelay time.Duration
	// AttemptTimeout ends an attempt that has no answer by then; 0 is never. Think before setting
	// it: the gateway holds a request for up to two minutes while the backup service moves between
	// nodes, and answers it then. A start that was ended so, after something of it was sent,
	// may still be under way and is not sent again.
	AttemptTimeout time.Duration
}

const (
	defaultAttempts      = 4
	defaultRetryMinDelay = 500 * time.Millisecond
	defaultRetryMaxDelay = 10 * time.Second
	// maxAskedDelay is how long a server can make an attempt wait.
	maxAskedDelay = 5 * time.Minute
)

// WithRetry sets the retry policy.
func WithRetry(policy RetryPolicy) Option {
	return optionFunc(func(s *settings) error {
		var err error
		s.retry, err = policy.checked()
		return err
	})
}

// checked returns a policy with its defaults.
func (p RetryPolicy) checked() (RetryPolicy, error) {
	if p.MaxAttempts < 0 || p.MinDelay < 0 || p.MaxDelay < 0 || p.AttemptTimeout < 0 {
		return p, errors.New("WithRetry: a number of the policy is negative")
	}
	if p.MaxDelay > 0 && p.MinDelay > p.MaxDelay {
		return p, fmt.Errorf("WithRetry: MinDelay %v is longer than MaxDelay %v", p.MinDelay, p.MaxDelay)
	}
	if p.MaxAttempts == 0 {
		p.MaxAttempts = defaultAttempts
	}
	if p.MinDelay == 0 {
		p.MinDelay = defaultRetryMinDelay
		if p.MaxDelay > 0 {
			p.MinDelay = min(p.MinDelay, p.MaxDelay)
		}
	}
	if p.MaxDelay == 0 {
		p.MaxDelay = max(defaultRetryMaxDelay, p.MinDelay)
	}
	return p, nil
}

// delay returns how long to wait after so many attempts.
func (p RetryPolicy) delay(attempts int) time.Duration {
	most := p.MinDelay
	for ; attempts > 1 && most < p.MaxDelay; attempts-- {
		most = min(2*most, p.MaxDelay)
		if most < 0 { // it does not fit
			most = p.MaxDelay
		}
	}
	return rand.N(most + 1) //nolint:gosec // spreading needs no secrecy
}

// retryTransport sends requests that only read again. Whether a start is sent again is decided where more
// is known, see start.
type retryTransport struct {
	next   http.RoundTripper
	policy RetryPolicy
}

func (t *retryTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet {
		resp, _, err := t.attempt(req)
		return resp, err
	}
	ctx := req.Context()
	for attempt := 1; ; attempt++ {
		sent := req
		if attempt > 1 {
			sent = req.WithContext(withAttempt(ctx, attempt))
		}
		resp, again, err := t.attempt(sent)
		if !again || attempt >= t.policy.MaxAttempts || ctx.Err() != nil {
			return resp, err
		}
		if resp != nil && isLater(resp.StatusCode) && ctx.Value(waitKey{}) != nil {
			return resp, nil
		}
		delay := t.policy.delay(attempt)
		if resp != nil {
			delay = max(delay, min(retryAfter(resp), maxAskedDelay))
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
			return resp, err // which says more than that the time is over
		}
		if err := sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}

// sleep waits, unless the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// attempt sends a request once. Where it reports that another attempt makes sense, the answer is in
// memory and nothing has to be closed.
func (t *retryTransport) attempt(req *http.Request) (resp *http.Response, again bool, err error) {
	cancel := context.CancelFunc(func() {})
	if t.policy.AttemptTimeout > 0 {
		// It ends with the answer, not with the transfer of a long list.
		ctx, cancelCause := context.WithCancelCause(req.Context())
		cancel = func() { cancelCause(nil) }
		timer := time.AfterFunc(t.policy.AttemptTimeout, func() { cancelCause(errAttemptTimeout) })
		defer timer.Stop()
		req = req.WithContext(ctx)
	}
	resp, err = t.next.RoundTrip(req)
	if err != nil {
		if attemptTimedOut(req.Context()) {
			err = errAttemptTimeout
		}
		cancel()
		return nil, isTransientFailure(err), err
	}
	switch {
	case resp.StatusCode >= http.StatusMultipleChoices, req.Method != http.MethodGet && resp.StatusCode != http.StatusAccepted:
		body, readErr := buffer(resp, maxErrorBody)
		cancel()
		return resp, readErr != nil || isTransientAnswer(resp, body), nil
	case operationOf(req.Context()) == operationProgress:
		// A progress is short, and half of it is no answer.
		body, readErr := buffer(resp, maxProgressBody+1)
		cancel()
		if readErr == nil && len(body) == 0 && hasOpenEnd(resp) {
			readErr = io.ErrUnexpectedEOF // nothing is an answer, but not where it may be the beginning of one
		}
		if readErr != nil {
			return nil, true, readErr
		}
		return resp, false, nil
	}
	if attemptTimedOut(req.Context()) && req.Method == http.MethodGet {
		// It has begun just then, and its body ends where it is. (A start that was accepted stays so.)
		closeBody(resp)
		cancel()
		return nil, true, errAttemptTimeout
	}
	resp.Body = &cancelBody{resp.Body, cancel}
	return resp, false, nil
}

// errAttemptTimeout is the error of an attempt that took longer than the policy allows.
var errAttemptTimeout = fmt.Errorf("no answer within the time of an attempt: %w", os.ErrDeadlineExceeded)

func attemptTimedOut(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), errAttemptTimeout)
}

// buffer reads a body up to a limit into memory, from where it can be read once more.
func buffer(resp *http.Response, limit int64) ([]byte, error) {
	if b, ok := resp.Body.(*bufferedBody); ok {
		return b.data, b.err
	}
	size := min(max(resp.ContentLength, 0), limit)
	body := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead)) // so that it need not grow
	n, err := body.ReadFrom(io.LimitReader(resp.Body, limit))
	if n < limit {
		_ = resp.Body.Close() // there is no more of it
	} else {
		closeBody(resp)
	}
	resp.Body = &bufferedBody{body.Bytes(), *bytes.NewReader(body.Bytes()), err}
	return body.Bytes(), err
}

// bufferedBody is a body that is in memory.
type bufferedBody struct {
	data []byte
	rest bytes.Reader
	err  error // why there is no more of it
}

func (b *bufferedBody) Read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	if errors.Is(err, io.EOF) && b.err != nil {
		err = b.err
	}
	return n, err
}

func (*bufferedBody) Close() error { return nil }

// hasOpenEnd reports whether a body ends where its connection ends, so that nobody knows whether it is
// whole.
func hasOpenEnd(resp *http.Response) bool {
	return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && resp.ProtoMajor == 1 && resp.StatusCode != http.StatusNoContent
}

// readBody reads a body up to a limit. One that is in memory already is not copied.
func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if b, ok := resp.Body.(*bufferedBody); ok {
		return b.data[:min(int64(len(b.data)), limit)], b.err
	}
	return io.ReadAll(io.LimitReader(resp.Body, limit))
}

// cancelBody releases the context of an attempt when its answer is closed.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// isTransientFailure reports whether what kept a request from its answer may be gone the next time. It
// is taken to be, unless it is known what it is.
func isTransientFailure(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if isLasting(err) {
		return false
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok { // somebody who does not speak TLS
		return false
	}
	dns, ok := errors.AsType[*net.DNSError](err)
	return !ok || !dns.IsNotFound
}

// transientCodes are errors that are gone when the cluster has sorted itself out.
var transientCodes = []ErrorCode{
	CodeTimeout, CodeNotPrimary,
	"FABRIC_E_COMMUNICATION_ERROR", "FABRIC_E_NO_WRITE_QUORUM", "FABRIC_E_NOT_READY", "FABRIC_E_OBJECT_CLOSED",
	"FABRIC_E_SERVICE_OFFLINE", "FABRIC_E_SERVICE_TOO_BUSY", "FABRIC_E_RECONFIGURATION_PENDING",
	"FABRIC_E_GATEWAY_NOT_REACHABLE", "FABRIC_E_OPERATION_NOT_COMPLETE", "FABRIC_E_REPLICATION_QUEUE_FULL",
	"FABRIC_E_CONNECTION_CLOSED_BY_REMOTE_END", "E_ABORT",
}

// lastingCodes are errors that another attempt does not change, whatever their status is.
var lastingCodes = []ErrorCode{
	CodeInvalidArgument, CodeAccessDenied, CodePartitionNotFound, CodeServiceNotFound, CodeApplicationNotFound,
	CodeBackupNotEnabled, CodeBackupInProgress, CodeRestoreInProgress, CodeStatelessService,
}

func isTransientAnswer(resp *http.Response, body []byte) bool {
	return isTransient(resp.StatusCode, codeOf(resp, body))
}

// isTransient reports whether an error is only for now: by its code if that is known, because the
// layers of a cluster give the same code different statuses, and else by its status.
func isTransient(status int, code ErrorCode) bool {
	switch {
	case slices.Contains(transientCodes, code):
		return true
	case slices.Contains(lastingCodes, code):
		return false
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// waitKey is the key of the context value that says that the caller waits itself when the server asks
// for it.
type waitKey struct{}

func withWait(ctx context.Context) context.Context { return context.WithValue(ctx, waitKey{}, true) }

// attemptKey is the key of the context value that says which attempt at a request this is.
type attemptKey struct{}

func withAttempt(ctx context.Context, attempt int) context.Context {
	return context.WithValue(ctx, attemptKey{}, attempt)
}

// attemptOf returns the number of an attempt, from 1.
func attemptOf(ctx context.Context) int {
	if attempt, ok := ctx.Value(attemptKey{}).(int); ok {
		return attempt
	}
	return 1
}
