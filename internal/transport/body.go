package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
)

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

// bufferedBody is a body in memory.
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

// WholeBody returns the whole body of a response to a call with a Whole, if possible without a copy, and closes it.
func WholeBody(resp *http.Response) ([]byte, error) {
	if b, ok := resp.Body.(*bufferedBody); ok {
		return b.data, b.err
	}
	defer closeBody(resp)
	return io.ReadAll(resp.Body) // it is in memory, below the wrapper of an http.Client
}

// closeBody closes a body that was read as far as it matters. It reads a short rest, because the connection
// can then be reused.
func closeBody(resp *http.Response) {
	if _, ok := resp.Body.(*bufferedBody); ok {
		return
	}
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// closeWithin closes a connection, unless the context ends first. To close one of TLS takes up to 5 s if the
// server reads nothing, because a last record is written.
func closeWithin(ctx context.Context, conn io.Closer) error {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = conn.Close()
	}()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ContextError(ctx)
	}
}

// hasOpenEnd reports whether a body ends where its connection ends, so that it may be incomplete without an
// error.
func hasOpenEnd(resp *http.Response) bool {
	return resp.ContentLength < 0 && len(resp.TransferEncoding) == 0 && resp.ProtoMajor == 1 && resp.StatusCode != http.StatusNoContent
}

// cancelBody releases the context of an attempt when the body is closed.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel()
	return err
}

// closeRequest closes the body of a request that is not sent, as a RoundTripper has to.
func closeRequest(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
