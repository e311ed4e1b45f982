// Package sfbackuptest simulates the backup service of an Azure Service Fabric cluster in memory, for tests
// and demonstrations of programs that use the backup API.
//
// A [Cluster] implements the four operations of that API: BackupPartition, GetPartitionBackupProgress,
// GetPartitionBackupList and GetServiceBackupList. It is an [http.Handler]. [Cluster.Transport] connects an
// [http.Client] to it without a socket, so that it works inside [testing/synctest]. [NewServer] serves it on
// a socket, with TLS and client certificates if needed, also for clients in other languages.
//
//	cluster := sfbackuptest.NewCluster()
//	client := &http.Client{Transport: cluster.Transport()}
//	resp, err := client.Get("http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4")
//
// # Services and backups
//
// Without options the cluster is that of the examples in the documentation: the service
// fabric:/CalcApp/CalcService, its two partitions, and their five backups of January 2018. The documentation
// is Microsoft's REST API reference of Service Fabric, version 6.4, of which openapi/backup.yaml is the
// machine-readable form. [WithServices] replaces the service. [Chain] describes a history of full and
// incremental backups. [LargeCluster] describes a cluster with a million backups, which are computed when
// they are listed and take no memory:
//
//	cluster := sfbackuptest.NewCluster(sfbackuptest.WithServices(sfbackuptest.Service{
//		Name:   "fabric:/Shop/Orders",
//		Policy: &sfbackuptest.Policy{Every: time.Hour, Retention: 30 * 24 * time.Hour},
//		Partitions: []sfbackuptest.Partition{{
//			Backups: sfbackuptest.Chain(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 8*time.Hour, 3, 9),
//		}},
//	}))
//	partition := cluster.Partitions()[0]
//
// A [Policy] says where backups are stored, when they are made and how long they are kept. It belongs to a
// partition, a service or an application. Lists show only the backups in the storages of the policies that
// apply. [Cluster.SetPolicy] changes a policy. [Cluster.SetStorageFault] makes a storage unreadable.
//
// Everything that the options omit, such as IDs, derives from the seed ([WithSeed]): two clusters with the
// same options, faults and clock ([WithClock]) that get the same requests in the same order send the same
// responses, byte for byte and with the same headers, and record the same [Request] values.
//
// # The course of a backup
//
// By default, a requested backup is Accepted for a second, BackupInProgress for two more, and then a Success
// that lists show. It is full and begins a chain of its own, and the next periodic backup is full too. [Cluster.SetOutcome] makes the next backups fail, take long, or never reach the node of
// the partition. A backup that takes longer than its BackupTimeout ends with Timeout. Nothing runs in the
// background: the cluster computes the state from the clock when a request needs it. The clock is
// [time.Now], which [testing/synctest] controls, or that of [WithClock].
//
// # Real clusters and the documentation
//
// The documentation and the clusters disagree, and a client must handle both.
// [ProfileRuntime], the default, behaves like a cluster of version 6.4, and [ProfileDocumented] as the
// documentation says:
//
//	                                                    Runtime  Documented
//	'~' separates the parts of a service name           no       yes
//	ManagedIdentityAzureBlobStore is a kind of storage  no       yes
//	any api-version from 6.4 on is accepted             yes      no
//	a body may have no Content-Length                   no       yes
//	timeout and MaxResults are int32, without a range   yes      no
//	an empty ContinuationToken is an error              yes      no
//	every error is a FabricError as application/json    no       yes
//	a list searches the storages of more services       yes      no
//	containers of one account are one storage           yes      no
//	a partition ID is a key as it is spelt              yes      no
//	errors without a name have a number for a code      yes      no
//	unset members are null or zero                      yes      no
//	the LSN of a progress is a number                   yes      no
//	the progress before the first backup is null        yes      no
//	tokens name a storage and a position in it          yes      no
//	the token of the last page is null                  yes      no
//	a page without backups is an error                  yes      no
//	very long BackupTimeouts never end                  yes      no
//
// [WithQuirk] switches a single behavior, whatever the profile is.
//
// The answers of the backup service of 6.4 were recorded from its published source, and ProfileRuntime gives
// the same ones, byte for byte. The exceptions are listed in the package's tests. Beyond the recordings the
// cluster lacks a few things that no client sends: request bodies in XML, storages in bodies of forms,
// constructors in JSON, and dates in the less common forms of .NET.
//
// The cluster is unsecured until a token or certificate is accepted or revoked ([Cluster.AcceptToken],
// [Cluster.AcceptCertificate], [Server.Issue], [WithClientCertificates]), and secured from then on.
//
// # Faults
//
// A [Fault] makes a request go wrong: it refuses or resets the connection, stalls or redirects the request,
// sends an error, cuts the response off or serves the wrong page. [Cluster.Script] says which requests of a
// test are hit, and fails the test if the faults do not happen. [Cluster.Inject] is for programs other than
// tests, which read faults from a file with [ParseFaults]. [Cluster.Schedule] hits requests at random, and the
// same ones for the same seed. [Cluster.Requests] returns the requests that were sent, with the mistakes that
// their responses do not show:
//
//	cluster.Script(t,
//		sfbackuptest.Reset().AfterEffect().On(sfbackuptest.OpBackupPartition), // the response is lost
//		sfbackuptest.Answer(503, "").Header("Retry-After", "1").Times(2))
//
// The package shares no code with a client of the API, so the same bug in both cannot hide a bug of the
// client.
package sfbackuptest
