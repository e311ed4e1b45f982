package sfbackuptest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// This file is the backup service behind the gateway. Each operation checks the same things in the same
// order: the content type of the body, the timeout, all other arguments, the api-version, and only then
// the state of the cluster.

// backupPartition accepts a backup. The response says nothing about its course.
func (c *Cluster) backupPartition(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	b := c.binder(req)
	named, failed := b.storage(req)
	if failed != nil {
		return failed
	}
	timeout := b.int("BackupTimeout", 10, 32)
	if failed := b.check(); failed != nil {
		return failed
	}

	if failed := c.requestBackup(req.metadata, timeout, named); failed != nil {
		return failed
	}
	writeBody(w, http.StatusAccepted, "", nil)
	return nil
}

// requestBackup accepts a backup into the storage of the policy, or into the storage that the request names.
func (c *Cluster) requestBackup(metadata string, timeout int64, named bool) *errorResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, failed := c.partition(metadata, errArguments, errArguments)
	switch {
	case failed != nil:
		return failed
	case named:
		return p.requestBackup(c.now(), timeout, nil, c.behavior.longestTimeout)
	}
	policy := c.policyOf(p)
	if policy == nil {
		return errBackupNotEnabled
	}
	storage := policy.Storage
	return p.requestBackup(c.now(), timeout, &storage, c.behavior.longestTimeout)
}

// getPartitionBackupProgress returns the progress of the latest requested backup.
func (c *Cluster) getPartitionBackupProgress(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	if failed := c.binder(req).check(); failed != nil {
		return failed
	}
	body, failed := c.progress(req.metadata)
	if failed != nil {
		return failed
	}
	writeBody(w, http.StatusOK, jsonType, body)
	return nil
}

// progress returns the JSON of the progress of a partition's latest request.
func (c *Cluster) progress(metadata string) ([]byte, *errorResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, failed := c.partition(metadata, errArguments, errArguments)
	if failed != nil {
		return nil, failed
	}
	now := c.now()
	p.completeBackups(now)
	return appendProgress(nil, c.behavior, p, now), nil
}

// getPartitionBackupList lists the backups of a partition.
func (c *Cluster) getPartitionBackupList(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	format := errArguments
	if c.behavior.numericCodes {
		format = errPartitionFormat
	}
	return c.list(w, req, func() (*service, []*partition, []*policy, *errorResponse) {
		p, failed := c.partition(req.metadata, errArgument, format)
		if failed != nil {
			return nil, nil, nil, failed
		}
		return p.service, []*partition{p}, []*policy{c.policyOf(p)}, nil
	})
}

// getServiceBackupList lists the backups of all partitions of a service.
func (c *Cluster) getServiceBackupList(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	return c.list(w, req, func() (*service, []*partition, []*policy, *errorResponse) {
		s, failed := c.service(req.metadata)
		if failed != nil {
			return nil, nil, nil, failed
		}
		policies := []*policy{c.policyOfService(s)}
		for _, p := range s.partitions {
			policies = append(policies, p.own)
		}
		return s, s.partitions, policies, nil
	})
}

// list lists the backups of some partitions of a service in the storages of some policies.
func (c *Cluster) list(w http.ResponseWriter, req *forwardedRequest, find func() (*service, []*partition, []*policy, *errorResponse)) *errorResponse {
	b := c.binder(req)
	q := b.listQuery()
	if failed := b.check(); failed != nil {
		return failed
	}

	s, views, failed := c.storageViews(find)
	switch {
	case failed != nil:
		return failed
	case s.Stateless:
		return errStateless
	case len(views) == 0:
		return errBackupNotEnabled
	}
	mistakes := b.mistakes(q, views)
	p, failed := c.page(views, q)
	if failed != nil {
		return failed
	}
	c.requestLog.update(func() { req.record.Mistakes = mistakes })
	if req.adjust != nil {
		req.adjust(p)
	}
	p.write(w, c.behavior)
	return nil
}

// storageViews returns a snapshot of each storage of the policies, ordered by their IDs. Policies with the
// same storage share the ID of the first. It holds the cluster's mutex only while it takes the snapshots, so
// that a list can then be written as slowly as its client reads.
func (c *Cluster) storageViews(find func() (*service, []*partition, []*policy, *errorResponse)) (*service, []storageView, *errorResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, partitions, policies, failed := find()
	if failed != nil {
		return nil, nil, failed
	}
	now := c.now()
	for _, p := range partitions {
		p.completeBackups(now)
	}
	var views []storageView
	for _, policy := range policies {
		if policy == nil || slices.ContainsFunc(views, func(s storageView) bool { return s.storage == policy.Storage }) {
			continue
		}
		views = append(views, newStorageView(policy, partitions, now))
	}
	slices.SortFunc(views, func(a, b storageView) int { return strings.Compare(a.id, b.id) })
	return s, views, nil
}

// partition finds the partition that the gateway's header names. The error for a header with more than an
// ID, and that for an invalid ID, differ between the operations.
func (c *Cluster) partition(metadata string, header, format *errorResponse) (*partition, *errorResponse) {
	_, text, _ := strings.Cut(metadata, "/")
	if strings.Contains(text, "/") {
		return nil, header
	}
	id, ok := parseGUID(text)
	if !ok {
		return nil, format
	}
	if p := c.partitions[id]; p != nil {
		return p, nil
	}
	return nil, errPartitionNotFound
}

// service finds the service that the gateway's header names.
func (c *Cluster) service(metadata string) (*service, *errorResponse) {
	_, name, _ := strings.Cut(metadata, "/")
	if c.behavior.tildeIsSlash {
		name = strings.ReplaceAll(name, "~", "/")
	}
	if s := c.services[fabricScheme+name]; s != nil {
		return s, nil
	}
	return nil, errServiceDoesNotExist
}

// parseGUID parses an ID in the forms that .NET accepts: 32 digits with or without dashes, and the form
// with dashes in braces or parentheses.
func parseGUID(s string) (uuid.UUID, bool) {
	s = strings.TrimSpace(s)
	if n := len(s); n == 38 && (s[0] == '{' && s[37] == '}' || s[0] == '(' && s[37] == ')') {
		s = s[1:37]
	}
	if len(s) != 32 && len(s) != 36 {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(s)
	return id, err == nil
}

func (c *Cluster) binder(req *forwardedRequest) *binder {
	return &binder{query: req.query, behavior: c.behavior, zone: c.zone}
}
