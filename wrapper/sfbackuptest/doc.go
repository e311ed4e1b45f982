// Package sfbackuptest is the backup service of an Azure Service Fabric
// cluster in memory, for tests and demonstrations of programs that use the
// backup API.
//
// A [Cluster] answers the four operations of that API: BackupPartition,
// GetPartitionBackupProgress, GetPartitionBackupList and GetServiceBackupList.
// [Cluster.Transport] hands it to an [http.Client] without a socket, so that it
// works inside [testing/synctest]; [Cluster.Start] puts it behind one, with TLS
// and client certificates if need be; and it is an [http.Handler]:
//
//	cluster := sfbackuptest.NewCluster()
//	client := &http.Client{Transport: cluster.Transport()}
//	resp, err := client.Get("http://localhost:19080/Services/CalcApp/CalcService/$/GetBackups?api-version=6.4")
//
// # What the cluster holds
//
// Without options it is the cluster of the API's documentation: the service
// fabric:/CalcApp/CalcService, its two partitions, and their five backups of
// January 2018. [WithServices] replaces it, [Chain] writes a history of full and
// incremental backups in one line, and [LargeCluster] a cluster with a million of
// them, which are computed when they are listed and take no memory:
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
// A [Policy] says where backups go, when they are made and for how long they are
// kept. It belongs to a partition, a service or an application, and lists show
// what its storage holds and nothing else. [Cluster.SetPolicy] changes it.
//
// Everything that is not given, identities first of all, derives from the seed
// ([WithSeed]): two clusters with the same options that see the same requests
// at the same times answer byte for byte the same.
//
// # How a backup goes
//
// A requested backup is Accepted for a second, BackupInProgress for two more,
// and then a Success that the lists show. [Cluster.SetOutcome] makes the next
// ones fail, take long, or never reach their node; BackupTimeout turns what
// takes too long into a Timeout. Nothing runs in the background: the state is
// computed from the clock when a request asks for it. The clock is [time.Now],
// which [testing/synctest] drives, or that of [WithClock].
//
// # How it answers
//
// The documents of the API and the clusters that implement it disagree, and a
// client must live with both. [ProfileRuntime], the default, answers as a
// cluster of version 6.4 does: an LSN that is a number here and a string there,
// null for a progress nobody asked for, errors as text/plain or with nothing
// but a reason phrase, continuation tokens with '+' and a space in them, and
// pages that end in an error when nothing is left for them. [ProfileDocumented]
// answers as the documents promise. A [Quirk] is switched by itself.
//
// All may do everything until the cluster knows its clients, by token or by
// certificate: [Cluster.AcceptToken], [Cluster.AcceptCertificate].
//
// # What goes wrong
//
// A [Fault] hits a request: it refuses, resets, stalls or redirects it, answers
// with an error, cuts its answer off or serves the wrong page.
// [Cluster.Script] says which requests are hit, and fails a test whose faults
// did not happen; [Cluster.Schedule] hits requests at random, the same ones for
// the same seed. [Cluster.Requests] tells afterwards what was sent:
//
//	cluster.Script(t,
//		sfbackuptest.Reset().AfterEffect().On(sfbackuptest.OpBackupPartition), // the answer is lost
//		sfbackuptest.Answer(503, "").Header("Retry-After", "1").Times(2))
//
// The package depends on no client of the API, on purpose: it reads and writes
// the wire by itself, so that a mistake is not made twice and cancelled out.
package sfbackuptest
