// Package sfbackup is a client for the backup API of Azure Service Fabric: it starts the backup of
// a partition, follows it to its end, and lists the backups of a partition or of a service.
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
// A started backup is only accepted. Whether it was taken shows in its progress, wrong storage
// credentials included, so use [Client.BackupAndWait] unless something else waits. A backup that
// ends in any other way than success is a [*BackupFailedError].
//
// The server knows one backup for each partition, the latest that was asked for, and no identity
// that ties a progress to the call that started it. Starting a second one while the first runs is
// the error [CodeBackupInProgress]; [WaitOptions] can join the running one instead. Backups that a policy
// takes on a schedule do not appear in the progress, only in lists.
//
// One call starts one backup or none. The client reads the progress before a start, and once more where
// the answer is lost or says too little. [ErrOutcomeUnknown] is the error where even that does not tell
// whether the backup was started; any other error of a start means that it was not.
//
// # Lists
//
// Lists stream: the first backup reaches the loop before the last has left the server, pages are
// asked for as the loop goes on, and leaving the loop ends the transfer. The server promises no
// order; sort by [Backup.CreationTimeUTC] where it matters. A list holds what lies in the storage
// of the backup policies in force: a partition without a policy is the error [CodeBackupNotEnabled],
// and backups that were sent to a storage of their own are not in it.
//
// # Errors
//
// Every answer that is not a success is an [*APIError]. Decide by its code, not by its status,
// because the layers of a cluster disagree about the latter:
//
//	if errors.Is(err, sfbackup.CodePartitionNotFound) { ... }
//
// Arguments are checked before anything is sent.
//
// # Trying again
//
// A request that only reads is sent up to four times: after a connection that failed, before or
// within the answer, after the statuses 408, 429, 502, 503 and 504, and after the codes of a cluster
// that is sorting itself out; but not where the code says that another attempt changes nothing. The
// delays are random, up to half a second, one and two; a server that asks for more gets up to five
// minutes. [WithRetry] changes that. A list goes on where its connection broke. A request that starts
// a backup is sent again as often, but only when it is certain that it has not started one.
//
// # Credentials
//
// A secured cluster asks for a client certificate, or for a token of Microsoft Entra ID:
// [WithClientCertificate], [WithClientCertificateFiles], [WithPFX], [WithTokenSource]. Files are read
// again when they change. The gateway asks for the certificate by renegotiating after it has read the
// request; so connections have TLS 1.2 and HTTP/1.1, unless [WithTLS13] says otherwise.
//
// The cluster itself is known by the name of the endpoint and the authorities of the system, as
// elsewhere, or of [WithRootCAs]. Its certificate is often not made for that:
// [WithServerThumbprints] and [WithServerCommonNames] know it as the other clients of Service Fabric
// do. Nothing switches the check off.
//
//	client, err := sfbackup.NewClient("https://cluster.example.com:19080",
//		sfbackup.WithPFX("client.pfx", password),
//		sfbackup.WithServerThumbprints(thumbprint))
//
// A cluster answers with 403 when it does not know the certificate, when a token has expired, and when
// the role does not suffice; [APIError.Hint] tells them apart and says what to do. The last one is also
// [CodeAccessDenied]. Credentials are sent to the endpoints only, whatever is redirected.
//
// Clients with options about certificates have a transport each, so make one and keep it. Its idle
// connections are closed after 90 seconds, so nothing has to be closed.
//
// # Time
//
// Only the context limits how long a call takes. Its deadline is also told to the server. Be
// generous: the gateway of a cluster holds a request for up to two minutes while the backup service
// moves between nodes.
//
// The client tells the truth about what clusters answer where it differs from what the
// documentation promises; openapi/README.md in the repository lists the differences with their
// sources.
package sfbackup
