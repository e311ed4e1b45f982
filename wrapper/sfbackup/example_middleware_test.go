package sfbackup_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/wrapper/sfbackup"
	"github.com/servicefabric-go/backup/wrapper/sfbackuptest"
)

// traced stands for otelhttp.NewTransport of go.opentelemetry.io/contrib, which is such a function with options.
func traced(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(req)
		if err == nil {
			fmt.Println("span:", req.Method, resp.StatusCode)
		}
		return resp, err
	})
}

// Trace the requests of your own transport. Every attempt is a span.
func ExampleWithHTTPClient() {
	cluster := sfbackuptest.NewCluster()
	client, err := sfbackup.NewClient("http://localhost:19080",
		sfbackup.WithHTTPClient(&http.Client{Transport: traced(cluster.Transport())}))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	fmt.Println(client.BackupPartition(context.Background(), partition, nil))
	// Output:
	// span: GET 200
	// span: POST 202
	// <nil>
}

// Trace the requests of the transport that the options about certificates make.
func ExampleWithMiddleware() {
	server, err := sfbackuptest.NewServer(sfbackuptest.NewCluster(), sfbackuptest.WithClientCertificates())
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	client, err := sfbackup.NewClient(server.URL,
		sfbackup.WithClientCertificate(*server.ClientCertificate), sfbackup.WithRootCAs(server.RootCAs),
		sfbackup.WithMiddleware(traced))
	if err != nil {
		log.Fatal(err)
	}
	partition := uuid.MustParse("1daae3f5-7fd6-42e9-b1ba-8c05f873994d")
	fmt.Println(client.BackupPartition(context.Background(), partition, nil))
	// Output:
	// span: GET 200
	// span: POST 202
	// <nil>
}
