package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/services/servicefabric/7.2/servicefabric"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/servicefabric-go/backup/wrapper/sfbackup"

	"github.com/servicefabric-go/backup/internal/bench/stock"
)

// A peer is a client that is compared. Its list function reads a list and calls visit with the location of each
// backup, until visit returns false. All peers use the same transport.
type peer struct {
	name string
	list func(ctx context.Context, service string, visit func(location string) bool) error

	reads bool // whether it decodes backups
}

// The names of the peers in the tables.
const (
	azureSDK        = "Azure SDK"
	stockClient     = "stock client"
	stockPartitions = "stock client, partitions decoded"
	pageCall        = "this client, page call"
	iterator        = "this client, iterator"
	jsontextScan    = "jsontext scan"
	copyOnly        = "io.Copy"
)

// newPeers returns all peers, as clients of the server at url.
func newPeers(url string, transport http.RoundTripper) ([]peer, error) {
	httpClient := &http.Client{Transport: transport}

	azure := servicefabric.NewWithBaseURI(url)
	azure.Sender = httpClient
	generated, err := stock.NewClientWithResponses(url, stock.WithHTTPClient(httpClient))
	if err != nil {
		return nil, err
	}
	client, err := sfbackup.NewClient(url, sfbackup.WithHTTPClient(httpClient))
	if err != nil {
		return nil, err
	}
	get := func(ctx context.Context, service string) (io.ReadCloser, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/Services/"+service+"/$/GetBackups?api-version=6.4", nil)
		if err != nil {
			return nil, err
		}
		resp, err := httpClient.Do(req)
		if err != nil {
			return nil, err
		}
		return resp.Body, nil
	}

	return []peer{
		{azureSDK, func(ctx context.Context, service string, visit func(string) bool) error {
			page, err := azure.GetServiceBackupList(ctx, service, nil, nil, nil, nil, "", nil)
			if err != nil {
				return err
			}
			for i := range *page.Items {
				if !visit(*(*page.Items)[i].BackupLocation) {
					break
				}
			}
			return nil
		}, true},
		{stockClient, func(ctx context.Context, service string, visit func(string) bool) error {
			return listStock(ctx, generated, service, visit, false)
		}, true},
		{stockPartitions, func(ctx context.Context, service string, visit func(string) bool) error {
			return listStock(ctx, generated, service, visit, true)
		}, true},
		{pageCall, func(ctx context.Context, service string, visit func(string) bool) error {
			page, err := client.ServiceBackupsPage(ctx, sfbackup.ServiceName("fabric:/"+service), nil)
			if err != nil {
				return err
			}
			for i := range page.Backups {
				if !visit(page.Backups[i].BackupLocation) {
					break
				}
			}
			return nil
		}, true},
		{iterator, func(ctx context.Context, service string, visit func(string) bool) error {
			for b, err := range client.ServiceBackups(ctx, sfbackup.ServiceName("fabric:/"+service), nil) {
				if err != nil {
					return err
				}
				if !visit(b.BackupLocation) {
					break
				}
			}
			return nil
		}, true},
		{jsontextScan, func(ctx context.Context, service string, _ func(string) bool) error {
			body, err := get(ctx, service)
			if err != nil {
				return err
			}
			defer body.Close()
			// The options of this client, which are faster than the defaults.
			dec := jsontext.NewDecoder(body, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
			for {
				if _, err := dec.ReadToken(); errors.Is(err, io.EOF) {
					return nil
				} else if err != nil {
					return err
				}
			}
		}, false},
		{copyOnly, func(ctx context.Context, service string, _ func(string) bool) error {
			body, err := get(ctx, service)
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(io.Discard, body)
			return err
		}, false},
	}, nil
}

// listStock reads a list with the stock client. With partitions, it also decodes the partition of each backup,
// which the stock client leaves to its callers.
func listStock(ctx context.Context, client *stock.ClientWithResponses, service string, visit func(string) bool, partitions bool) error {
	resp, err := client.GetServiceBackupListWithResponse(ctx, service, &stock.GetServiceBackupListParams{ApiVersion: stock.GetServiceBackupListParamsApiVersionN64})
	if err != nil {
		return err
	}
	if resp.JSON200 == nil {
		return fmt.Errorf("the stock client returned no page: %s", resp.Status())
	}
	items := *resp.JSON200.Items
	for i := range items {
		if partitions {
			if _, err := items[i].PartitionInformation.ValueByDiscriminator(); err != nil {
				return err
			}
		}
		if !visit(*items[i].BackupLocation) {
			break
		}
	}
	return nil
}

// named returns the peers with the given names, in the order of all.
func named(all []peer, names ...string) []peer {
	var some []peer
	for _, o := range all {
		for _, name := range names {
			if o.name == name {
				some = append(some, o)
			}
		}
	}
	return some
}

// listAll reads a list of n backups and checks that it got all of them.
func (o *peer) listAll(ctx context.Context, how string, n int) error {
	items, length := 0, 0
	err := o.list(ctx, serviceID(how, n), func(location string) bool {
		items++
		length += len(location)
		return true
	})
	if err != nil {
		return fmt.Errorf("%s: %w", o.name, err)
	}
	if o.reads && (items != n || length != n*locationLength) {
		return fmt.Errorf("%s: read %d of %d backups, with locations of %d bytes", o.name, items, n, length)
	}
	return nil
}

func serviceID(how string, n int) string { return fmt.Sprintf("%s/%d", how, n) }
