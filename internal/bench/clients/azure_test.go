package clients

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/services/servicefabric/7.2/servicefabric"
	"github.com/Azure/go-autorest/autorest"
	"github.com/Azure/go-autorest/autorest/azure"
	"github.com/Azure/go-autorest/autorest/date"
	"github.com/gofrs/uuid"
)

// callAzureSDK does what calls.py does, with the Azure SDK for Go.
func callAzureSDK(t *testing.T, clusters []cluster) (all []map[string]string) {
	t.Helper()
	for i := range clusters {
		all = append(all, azureResults(t, &clusters[i]))
	}
	return all
}

func azureResults(t *testing.T, c *cluster) map[string]string {
	t.Helper()
	client := azureClient(t, c)
	ctx := t.Context()
	partition := func(name string) uuid.UUID { return uuid.Must(uuid.FromString(c.Partitions[name])) }
	share := &servicefabric.BackupPartitionDescription{BackupStorage: servicefabric.FileShareBackupStorageDescription{Path: new(`\\server\share`)}}
	container := &servicefabric.BackupPartitionDescription{BackupStorage: servicefabric.AzureBlobBackupStorageDescription{
		ConnectionString: new("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA=="), ContainerName: new("c"),
	}}
	start := &date.Time{Time: time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)}
	end := &date.Time{Time: start.Add(time.Hour)}

	backup := func(name string, description *servicefabric.BackupPartitionDescription) string {
		_, err := client.BackupPartition(ctx, partition(name), description, nil, nil)
		return azureResult("accepted", err)
	}
	progress := func(name string) string {
		info, err := client.GetPartitionBackupProgress(ctx, partition(name), nil)
		return azureResult(azureProgress(&info), err)
	}
	ofPartition := func(name string, latest *bool, start, end *date.Time) string {
		page, err := client.GetPartitionBackupList(ctx, partition(name), nil, latest, start, end)
		return azureResult(azureBackups(&page), err)
	}
	ofService := func(name string, latest *bool, start, end *date.Time) string {
		page, err := client.GetServiceBackupList(ctx, name, nil, latest, start, end, "", nil)
		return azureResult(azureBackups(&page), err)
	}
	pages := func(name string) string { return azurePages(ctx, client, name) }

	return map[string]string{
		"BackupPartition: to the storage of the policy":           backup("first", nil),
		"BackupPartition: to a file share":                        backup("second", share),
		"BackupPartition: to Azure blob storage":                  backup("third", container),
		"BackupPartition: while another backup runs":              backup("accepted", nil),
		"BackupPartition: an unknown partition":                   backup("unknown", nil),
		"GetPartitionBackupProgress: before the first backup":     progress("never"),
		"GetPartitionBackupProgress: accepted":                    progress("accepted"),
		"GetPartitionBackupProgress: succeeded":                   progress("succeeded"),
		"GetPartitionBackupProgress: failed":                      progress("failed"),
		"GetPartitionBackupProgress: an unknown partition":        progress("unknown"),
		"GetPartitionBackupList: all":                             ofPartition("listed", nil, nil, nil),
		"GetPartitionBackupList: the latest":                      ofPartition("listed", new(true), nil, nil),
		"GetPartitionBackupList: of an hour":                      ofPartition("listed", nil, start, end),
		"GetPartitionBackupList: without a policy":                ofPartition("unprotected", nil, nil, nil),
		"GetPartitionBackupList: an unknown partition":            ofPartition("unknown", nil, nil, nil),
		"GetServiceBackupList: all":                               ofService("Share/Service", nil, nil, nil),
		"GetServiceBackupList: all, by the name with ~":           ofService("Share~Service", nil, nil, nil),
		"GetServiceBackupList: the latest":                        ofService("Share/Service", new(true), nil, nil),
		"GetServiceBackupList: of an hour":                        ofService("Share/Service", nil, start, end),
		"GetServiceBackupList: by pages of 2, a file share":       pages("Share/Service"),
		"GetServiceBackupList: by pages of 2, Azure blob storage": pages("Container/Service"),
		"GetServiceBackupList: by pages of 2, no backups":         pages("Empty/Service"),
		"GetServiceBackupList: an unknown service":                ofService("Nope/Service", nil, nil, nil),
	}
}

// azureClient returns a client that reads its certificates from files, as calls.py does.
func azureClient(t *testing.T, c *cluster) servicefabric.BaseClient {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	if c.Authority != "" {
		pem, err := os.ReadFile(c.Authority)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	if c.Certificate != "" {
		certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{certificate}
	}
	client := servicefabric.NewWithBaseURI(c.URL)
	client.Sender = &http.Client{Transport: transport}
	client.RetryAttempts, client.RetryDuration = 1, 0 // the table shows the first response
	return client
}

// azureResult describes the result of a call in one line.
func azureResult(result string, err error) string {
	if err == nil {
		return result
	}
	if request, ok := errors.AsType[*azure.RequestError](err); ok {
		code := "no code"
		if request.ServiceError != nil {
			code = request.ServiceError.Code
		}
		return fmt.Sprintf("error %v, %s", request.StatusCode, code)
	}
	if sending, ok := errors.AsType[*url.Error](err); ok {
		return sending.Err.Error() // without the URL
	}
	cause := err.Error()
	if detailed, ok := errors.AsType[autorest.DetailedError](err); ok {
		cause, _, _ = strings.Cut(detailed.Original.Error(), " JSON = ")
	}
	return strings.Trim(strings.TrimPrefix(cause, "Error occurred unmarshalling JSON - Error = "), "'")
}

// azureProgress describes a progress.
func azureProgress(info *servicefabric.BackupProgressInfo) string {
	text := string(info.BackupState)
	if text == "" {
		text = "no state"
	}
	switch lsn := info.LsnOfLastBackupRecord; {
	case lsn == nil:
	case *lsn == "0":
		text += ", LSN 0"
	default:
		text += ", an LSN"
	}
	if info.FailureError != nil {
		text += ", " + string(info.FailureError.Code)
	}
	return text
}

// azureBackups describes a page.
func azureBackups(page *servicefabric.PagedBackupInfoList) string {
	if page.Items == nil {
		return "no list"
	}
	text := strconv.Itoa(len(*page.Items)) + " backups"
	for _, b := range *page.Items {
		if b.BackupID == nil || b.BackupChainID == nil || b.ApplicationName == nil || b.ServiceName == nil || b.PartitionInformation == nil ||
			b.BackupLocation == nil || b.BackupType == "" || b.EpochOfLastBackupRecord == nil || b.LsnOfLastBackupRecord == nil || b.CreationTimeUtc == nil {
			text += fmt.Sprintf(", incomplete %v", b)
		}
	}
	return text
}

// azurePages follows continuation tokens and describes the pages.
func azurePages(ctx context.Context, client servicefabric.BaseClient, service string) string {
	text, token := "pages of ", ""
	for i := range 5 {
		page, err := client.GetServiceBackupList(ctx, service, nil, nil, nil, nil, token, new(int64(2)))
		if err != nil {
			return azureResult("", err)
		}
		if i > 0 {
			text += ", "
		}
		text += strconv.Itoa(len(*page.Items))
		if page.ContinuationToken == nil || *page.ContinuationToken == "" {
			return text
		}
		token = *page.ContinuationToken
	}
	return text + " and so on"
}
