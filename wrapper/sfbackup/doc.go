// Package sfbackup is a client for the backup API of Azure Service Fabric. It starts the backup of a
// partition, follows its progress, and lists the backups of a partition or a service.
//
//	client, err := sfbackup.NewClient("http://localhost:19080")
//	...
//	progress, err := client.BackupAndWait(ctx, partition, nil, nil)
//	...
//	for backup, err := range client.PartitionBackups(ctx, partition, nil) {
//		...
//	}
//
// # Starting and waiting
//
// A started backup is only accepted. Whether it succeeds shows in its progress; wrong storage credentials
// show there too. So use [Client.BackupAndWait], unless another program waits. A backup that ends without
// success is a [*BackupFailedError]. [Client.BackupMany] backs up many partitions.
//
// The server knows one backup of each partition, the latest that was requested. Nothing links its progress
// to the call that started it. Starting a second backup while the first is running is the error
// [CodeBackupInProgress]; [WaitOptions] can join the running one instead. The periodic backups of a policy
// do not appear in the progress, only in lists.
//
// One call starts at most one backup. The client reads the progress before a start, and again if the
// response is lost or ambiguous. If it still cannot tell whether the backup was started, the error is
// [ErrOutcomeUnknown]. Any other error of a start means that this call started no backup, with the
// exceptions that [Client.BackupPartition] lists.
//
// # Lists
//
// Lists stream: the loop gets the first backup before the server has sent the last one, further pages are
// requested as the loop goes on, and leaving the loop ends the transfer. The server promises no order, so
// sort by [Backup.CreationTimeUTC] if the order matters. A list has the backups in the storages of the
// backup policies in force. For a partition without a policy the error is [CodeBackupNotEnabled], and
// backups that were sent to a storage of their own are not listed.
//
// # Errors
//
// Every response that is not a success is an [*APIError]. Decide by its code and not by its status, because
// the layers of a cluster use different statuses for the same code:
//
//	if errors.Is(err, sfbackup.CodePartitionNotFound) { ... }
//
// Arguments are checked before anything is sent.
//
// # Retries
//
// A request that only reads is sent up to four times: after a connection that failed or broke, after the
// statuses 408, 429, 502, 503 and 504, and after the codes of a cluster that is reconfiguring, but not if
// the code says that a retry changes nothing. The delays are random, up to half a second, one second and
// two seconds. A server that asks for a longer delay gets up to five minutes. [WithRetry] changes all that.
// A list whose connection breaks goes on where it was. A request that starts a backup is retried only when
// it is certain that it has not started one.
//
// # Credentials
//
// A secured cluster requires a client certificate or a token of Microsoft Entra ID:
// [WithClientCertificate], [WithClientCertificateFiles], [WithPFX], [WithTokenSource]. Files are read
// again when they change. The gateway requests the certificate by renegotiation, after it has read the
// request. So connections use TLS 1.2 and HTTP/1.1, unless [WithTLS13] allows TLS 1.3.
//
// By default the certificate of the cluster has to name the host of the endpoint and chain to an authority
// of the system or of [WithRootCAs]. Few clusters have such a certificate. [WithServerThumbprints] and
// [WithServerCommonName] verify it as the other clients of Service Fabric do. No option switches the
// verification off.
//
//	client, err := sfbackup.NewClient("https://cluster.example.com:19080",
//		sfbackup.WithPFX("client.pfx", password),
//		sfbackup.WithServerThumbprints(thumbprint))
//
// A cluster responds with 403 if it does not accept the certificate, if a token has expired, and if the role
// does not suffice. [APIError.Hint] tells these apart and says what to do; the last one is also
// [CodeAccessDenied]. Credentials are sent to the endpoints only, never to the target of a redirect.
//
// A client with options about certificates has a transport of its own, so make one client and keep it. Its
// idle connections are closed after 90 seconds, so nothing has to be closed.
//
// # Time
//
// Only the context limits how long a call takes, except that a wait ends after WaitOptions.MaxUnreachable
// without a response. The deadline of the context is also sent to the server. Be generous: the gateway of a
// cluster holds a request for up to two minutes while the backup service moves between nodes.
//
// # Sources
//
// Clusters deviate from the documentation of the API. This client follows the clusters; openapi/README.md in
// the repository lists the deviations with their sources.
package sfbackup
