package text_test

import (
	"testing"

	"github.com/servicefabric-go/backup/internal/text"
)

func BenchmarkReadError(b *testing.B) {
	const wrapped = `{"Error":{"Code":"FABRIC_E_PARTITION_NOT_FOUND","Message":"There is no such partition."}}`
	for _, tt := range []struct{ name, body string }{
		{"wrapped", wrapped},
		{"flat", wrapped[len(`{"Error":`) : len(wrapped)-1]},
		{"message of Web API", `{"Message":"There is no such partition."}`},
		{"truncated", wrapped[:len(wrapped)-20]},
		{"HTML page", `<!DOCTYPE html><html><body><h1>503</h1></body></html>`},
		{"empty", ""},
	} {
		b.Run(tt.name, func(b *testing.B) {
			body := []byte(tt.body)
			b.ReportAllocs()
			for b.Loop() {
				text.ReadError(body)
			}
		})
	}
}
