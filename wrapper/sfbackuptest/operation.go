package sfbackuptest

import "net/http"

// Operation is the name of an operation, as in the documents of the API.
type Operation string

// The operations.
const (
	OpBackupPartition            Operation = "BackupPartition"
	OpGetPartitionBackupProgress Operation = "GetPartitionBackupProgress"
	OpGetPartitionBackupList     Operation = "GetPartitionBackupList"
	OpGetServiceBackupList       Operation = "GetServiceBackupList"
)

// operation is an entry in the routing table of the gateway.
type operation struct {
	name   Operation
	method string
	prefix string // first segment of the path
	action string // last segment, after "$"
	serve  func(*Cluster, http.ResponseWriter, *forwardedRequest) *errorResponse
}

// operations has the templates that the gateway registers: <prefix>/{id}/$/<action>. The ID of a service
// may have several segments.
var operations = []operation{
	{OpBackupPartition, http.MethodPost, "Partitions", "Backup", (*Cluster).backupPartition},
	{OpGetPartitionBackupProgress, http.MethodGet, "Partitions", "GetBackupProgress", (*Cluster).getPartitionBackupProgress},
	{OpGetPartitionBackupList, http.MethodGet, "Partitions", "GetBackups", (*Cluster).getPartitionBackupList},
	{OpGetServiceBackupList, http.MethodGet, "Services", "GetBackups", (*Cluster).getServiceBackupList},
}

// isList reports whether an operation returns pages.
func (op Operation) isList() bool {
	return op == OpGetPartitionBackupList || op == OpGetServiceBackupList
}
