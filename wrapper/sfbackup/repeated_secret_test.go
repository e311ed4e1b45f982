package sfbackup_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
)

// A response that repeats the token of its request shows it neither in the error nor in the log.
func TestTokenThatAServerRepeats(t *testing.T) {
	t.Parallel()
	const token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJhIn0.c2lnbmF0dXJl"
	for name, a := range map[string]answer{
		"a reason":  {status: "401 bad token " + token},
		"a message": {status: "400 Bad Request", body: `{"Error":{"Code":"E_INVALIDARG","Message":"` + strings.Repeat("not ", 60) + token + `"}}`},
		"a code":    {status: "400 Bad Request", body: `{"Error":{"Code":"` + token + `"}}`},
	} {
		var log bytes.Buffer
		client := newUncheckedClient(t, &answers{list: []answer{a}}, sfbackup.WithTokenSource(func(context.Context) (sfbackup.Token, error) {
			return sfbackup.Token{Value: token}, nil
		}), sfbackup.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
		for call, read := range eachRead {
			if err := read(t.Context(), client); err == nil || strings.Contains(err.Error()+log.String(), "eyJhbGci") || !strings.Contains(err.Error(), "[redacted]") {
				t.Errorf("%s, %s: got %v and the log\n%s", name, call, err, &log)
			}
		}
		if err := client.BackupPartition(t.Context(), partition1, nil); err == nil || strings.Contains(err.Error()+log.String(), "eyJhbGci") {
			t.Errorf("%s: got %v and the log\n%s", name, err, &log)
		}
	}
}
