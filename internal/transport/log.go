package transport

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/servicefabric-go/backup/internal/text"
)

// logger logs every request when its response begins.
type logger struct {
	next    http.RoundTripper
	log     *slog.Logger
	secrets *secrets
}

func (l *logger) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return l.next.RoundTrip(req)
	}
	start := time.Now()
	resp, err := l.next.RoundTrip(req)
	r := recordOf(ctx)
	attrs := []slog.Attr{
		slog.String("operation", r.Operation),
		slog.Int("attempt", r.Attempt),
		slog.String("method", req.Method),
		slog.String("endpoint", l.secrets.redact(req.URL.Scheme+"://"+req.URL.Host)), // of a redirect, it is text of a server
		slog.String("request_id", req.Header.Get("X-ServiceFabricRequestId")),
		slog.Duration("duration", time.Since(start)),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", text.Redact(err).Error()))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
		if resp.StatusCode >= http.StatusBadRequest {
			if code := r.readFailure(resp).Code; code != "" {
				attrs = append(attrs, slog.String("code", text.OneLine(l.secrets.redactCode(code))))
			}
		}
	}
	l.log.LogAttrs(ctx, slog.LevelDebug, "sfbackup: request", attrs...)
	return resp, err
}
