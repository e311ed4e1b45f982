package handlertransport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// This file tests requests that end early.

var errCause = errors.New("the cause")

// TestCancelBefore: a request whose context is already canceled is not sent.
func TestCancelBefore(t *testing.T) {
	handled(t, func(http.ResponseWriter, *http.Request) {
		t.Error("the request was sent")
	}, func(t *testing.T, rt http.RoundTripper) {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errCause)
		body := &closeCounter{Reader: strings.NewReader("x")}
		_, err := rt.RoundTrip(newRequest(ctx, t, "POST", "http://cluster/", body))
		if !errors.Is(err, errCause) || body.closed != 1 {
			t.Errorf("%v, body closed %d times", err, body.closed)
		}
	})
}

// TestCancelWaiting: the client cancels while it waits for the response.
func TestCancelWaiting(t *testing.T) {
	ended := false
	handled(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended = true
	}, func(t *testing.T, rt http.RoundTripper) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
		defer cancel()
		_, err := rt.RoundTrip(newRequest(ctx, t, "GET", "http://cluster/", nil))
		if !errors.Is(err, errCause) || !ended {
			t.Errorf("%v, ended %t", err, ended)
		}
	})
}

// TestCancelReading: the client cancels while it reads the body. It gets the cause, and the handler ends.
func TestCancelReading(t *testing.T) {
	ended := false
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended = true }()
		_, _ = io.WriteString(w, "first")
		<-r.Context().Done()
		_, _ = io.WriteString(w, "second")
	}, func(t *testing.T, rt http.RoundTripper) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
		defer cancel()
		resp := roundTrip(t, rt, newRequest(ctx, t, "GET", "http://cluster/", nil))
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if string(b) != "first" || !errors.Is(err, errCause) || !ended {
			t.Errorf("read %q, %v, ended %t", b, err, ended)
		}
	})
}

// TestCancelEndsHandler: the client gets the cause, even if the handler breaks the connection as soon as its context is
// canceled. That context has many children to cancel first, so the handler is the faster one.
func TestCancelEndsHandler(t *testing.T) {
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		var cancels []context.CancelFunc
		for range 10_000 {
			_, cancel := context.WithCancel(r.Context())
			cancels = append(cancels, cancel)
		}
		_, _ = fmt.Fprint(w, len(cancels))
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, rt http.RoundTripper) {
		for range 10 {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
			defer cancel()
			resp := roundTrip(t, rt, newRequest(ctx, t, "GET", "http://cluster/", nil))
			defer resp.Body.Close()
			if _, err := io.ReadAll(resp.Body); !errors.Is(err, errCause) {
				t.Errorf("got %v", err)
			}
		}
	})
}

// TestCancelSending: the client cancels before its request body was sent completely.
func TestCancelSending(t *testing.T) {
	handled(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			t.Error("the handler has read a body that was not sent")
		}
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, rt http.RoundTripper) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errCause)
		defer cancel()
		body, w := io.Pipe()
		defer func() { _ = w.Close() }()
		req := newRequest(ctx, t, "POST", "http://cluster/", body)
		req.ContentLength = 10
		if _, err := rt.RoundTrip(req); !errors.Is(err, errCause) {
			t.Errorf("%v, want the cause", err)
		}
	})
}

// closeCounter is a body that counts calls of Close. If err is set, it ends with that error.
type closeCounter struct {
	io.Reader
	err    error
	closed int
}

func (c *closeCounter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) && c.err != nil {
		err = c.err
	}
	return n, err
}

func (c *closeCounter) Close() error {
	c.closed++
	return nil
}

// TestBodyErrors: the client gets the error of its own request body, whether the handler breaks off or
// responds.
func TestBodyErrors(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"reads": func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				panic(http.ErrAbortHandler)
			}
		},
		"answers": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				_, _ = io.WriteString(w, "bad body")
			}
		},
	} {
		for _, size := range []int{10, 1 << 16} {
			t.Run(fmt.Sprintf("%s %d", name, size), func(t *testing.T) {
				handled(t, handler, func(t *testing.T, rt http.RoundTripper) {
					body := &closeCounter{Reader: strings.NewReader(strings.Repeat("x", size)), err: errCause}
					req := newRequest(t.Context(), t, "POST", "http://cluster/", body)
					_, err := rt.RoundTrip(req)
					if !errors.Is(err, errCause) {
						t.Errorf("%v, want the body's error", err)
					}
					if body.closed != 1 {
						t.Errorf("the body was closed %d times", body.closed)
					}
				})
			})
		}
	}
}

// TestShortBody: the request body is shorter than its Content-Length.
func TestShortBody(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, 1 << 16} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			handled(t, func(_ http.ResponseWriter, r *http.Request) {
				if _, err := io.ReadAll(r.Body); err != nil {
					panic(http.ErrAbortHandler)
				}
			}, func(t *testing.T, rt http.RoundTripper) {
				req := newRequest(t.Context(), t, "POST", "http://cluster/", strings.NewReader(strings.Repeat("x", size)))
				req.ContentLength = int64(size) + 1
				_, err := rt.RoundTrip(req)
				if err == nil || !strings.Contains(err.Error(), "ContentLength=") {
					t.Errorf("%v, want one about the length", err)
				}
			})
		})
	}
}

// TestUnreadBody: a handler that responds without reading the request stops the sending, and the body is
// closed once.
func TestUnreadBody(t *testing.T) {
	handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}, func(t *testing.T, rt http.RoundTripper) {
		body := &closeCounter{Reader: strings.NewReader(strings.Repeat("x", 1<<20))}
		req := newRequest(t.Context(), t, "POST", "http://cluster/", body)
		resp := roundTrip(t, rt, req)
		resp.Body.Close()
		synctest.Wait()
		if resp.StatusCode != http.StatusRequestEntityTooLarge || body.closed != 1 {
			t.Errorf("%s, body closed %d times", resp.Status, body.closed)
		}
	})
}

// blockingBody is a body whose second read blocks until the body is closed, and then fails.
type blockingBody struct {
	reads  int
	closed chan struct{}
}

func (b *blockingBody) Read(p []byte) (int, error) {
	if b.reads++; b.reads == 1 {
		return len(p), nil
	}
	<-b.closed
	return 0, errors.New("read after close")
}

func (b *blockingBody) Close() error {
	close(b.closed)
	return nil
}

// If the handler breaks the connection while the request is still sent, the client gets the error of the
// connection, and not one of the body that was closed because of it.
func TestBreakWhileSending(t *testing.T) {
	broken := errors.New("the connection is broken")
	handled(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 1))
		handlertransport.BreakConnection(w, broken)
	}, func(t *testing.T, rt http.RoundTripper) {
		for name, body := range map[string]io.ReadCloser{
			"blocked": &blockingBody{closed: make(chan struct{})},
			"long":    io.NopCloser(strings.NewReader(strings.Repeat("x", 4<<20))),
		} {
			req := newRequest(t.Context(), t, "POST", "http://cluster/", nil)
			req.Body, req.ContentLength = body, 4<<20
			if _, err := rt.RoundTrip(req); !errors.Is(err, broken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
