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
// The documentation that this package refers to is the REST API reference of Service Fabric, version 6.4.
// openapi/backup.yaml in the repository restates it.
//
// # Starting and waiting
//
// A successful start means only that the server has accepted the request. Whether the backup succeeds shows
// in its progress; wrong storage credentials show there too. So use [Client.BackupAndWait], unless another
// program does the waiting. A backup that ends without success is a [*BackupFailedError].
// [Client.BackupMany] backs up many partitions.
//
// The server knows one backup of each partition, the latest that was requested. Nothing links its progress
// to the call that started it. Starting a second backup while the first is running fails with
// [CodeBackupInProgress]. With WaitOptions.JoinRunning, [Client.BackupAndWait] and [Client.BackupMany] wait
// for the running backup instead. The periodic backups of a policy do not appear in the progress, only in
// lists.
//
// A backup that is started by a call is always full and begins a chain of its own, which no other backup
// continues, and the next periodic backup is full too.
//
// One call starts at most one backup, with the exceptions that [Client.BackupPartition] lists. The client
// reads the progress before a start, and again if the response is lost or ambiguous. If it still cannot tell
// whether the backup was started, the error is [ErrOutcomeUnknown].
//
// # Starts that survive a crash
//
// A start that is repeated makes a second backup. A program that may be killed, and is to go on later, keeps a
// [StartRecord] before each request that starts a backup, in one of two ways:
//
//   - A program with a journal sets BackupOptions.OnSend, which gets the record before each request, for example
//     to write it to a file and to call Sync. The next run returns the records in BackupManyOptions.Resume.
//   - A workflow engine takes the three steps that [Client.BackupPartition] is made of, each as a step of its
//     own: [Client.ObserveStart], [Client.SendStart], which is never repeated, and [Client.ResolveStart]. It then waits
//     with WaitOptions.Started, or polls [Client.BackupProgress].
//
// ResolveStart decides by the same rules as BackupPartition. It calls a start NotStarted only when the request can no
// longer take effect, which is after four and a half minutes. So it is safe to begin again then. The machines' clocks
// may differ by up to five minutes; what other limits there are is said at ResolveStart.
//
// # Lists
//
// Lists stream: the loop gets the first backup before the server has sent the last one, further pages are
// requested as the loop goes on, and leaving the loop ends the transfer. The server promises no order, so
// sort by [Backup.CreationTimeUTC] if the order matters. A list contains the backups in the storages of the
// backup policies that apply. Backups that were sent to another storage with BackupOptions.Storage are not
// listed. A list of a partition without a policy fails with [CodeBackupNotEnabled].
//
// # Errors
//
// Every unsuccessful response is an [*APIError]. Decide by its code and not by its status, because the layers
// of a cluster use different statuses for the same code:
//
//	if errors.Is(err, sfbackup.CodePartitionNotFound) { ... }
//
// If the context of a call ends, errors.Is finds both the context's error and its cause. A call that has no
// time left for a retry before the deadline returns the error of its last attempt at once. Arguments are
// checked before anything is sent; what is wrong with those of a list is its only element.
//
// # Retries
//
// A request that only reads is sent up to four times. It is retried if the connection failed or broke, if the
// status is 408, 429, 502, 503 or 504, or if the error code means that the cluster is reconfiguring or
// overloaded. It is not retried if the code means that a retry would not help. The delays are random: up to
// half a second before the second attempt, one second before the third and two seconds before the fourth. If
// the server asks for a longer delay with Retry-After, the client waits that long, but at most five minutes.
// [WithRetry] changes the number of attempts and the delays. If the connection breaks during a list, the
// client requests the page again and continues after the last backup that it has delivered. A request that
// starts a backup is retried only when it is certain that it has not started one.
//
// # Credentials
//
// A secured cluster requires a client certificate ([WithClientCertificate], [WithClientCertificateFiles],
// [WithPFX]) or a token of Microsoft Entra ID ([WithTokenSource]). The gateway requests the certificate by
// renegotiation, after it has read the request. So connections use TLS 1.2 and HTTP/1.1, unless [WithTLS13]
// allows TLS 1.3.
//
// By default the server's certificate must be valid for the host of the endpoint and chain to an authority of
// the system or, with [WithRootCAs], to one of the given authorities. Few clusters have such a certificate.
// With [WithServerThumbprints] or [WithServerCommonName] the client verifies the certificate as other Service
// Fabric clients do. No option of this package switches the verification off; a transport given to
// [WithHTTPClient] keeps its InsecureSkipVerify unless one of these three options is used.
//
//	client, err := sfbackup.NewClient("https://cluster.example.com:19080",
//		sfbackup.WithPFX("client.pfx", password),
//		sfbackup.WithServerThumbprints(thumbprint))
//
// A cluster responds with 403 if it accepts neither the certificate nor the token, and if the role does not
// suffice. Only the latter is [CodeAccessDenied]. [APIError.Hint] says which of the two it is, names the
// credentials that were refused, and says what to do. Credentials are sent to the endpoints only, never to
// the target of a redirect.
//
// These six are the certificate options. A client with one of them, or with WithTLS13, has a transport of its
// own, so create one client and reuse it. Its idle connections are closed after 90 seconds, so nothing has to
// be closed.
//
// # Time
//
// Only the context limits how long a call takes, with three exceptions: a wait ends after polls have failed
// for WaitOptions.MaxUnreachable, RetryPolicy.AttemptTimeout limits attempts if it is set, and so does a
// Timeout of the http.Client of [WithHTTPClient]. The deadline of the context is also sent to the server, but for
// a start a minute at most. Use a generous one: the gateway can hold a request for up to two minutes while the
// backup service moves between nodes.
//
// # Sources
//
// Clusters deviate from the documentation. This client follows the clusters; openapi/README.md in the
// repository lists the deviations with their sources.
package sfbackup
