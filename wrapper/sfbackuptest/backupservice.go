package sfbackuptest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// This file is the backup service as the gateway talks to it. Each operation
// goes through the same steps in the same order: the body's content type, the
// timeout, all other arguments, the version of the API, and only then the
// cluster's state.

// backupPartition accepts a backup. The answer says nothing about how it goes.
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

	if failed := c.accept(req.metadata, timeout, named); failed != nil {
		return failed
	}
	writeBody(w, http.StatusAccepted, "", nil)
	return nil
}

// accept accepts a backup into the storage of the policy, or into one that the
// request names.
func (c *Cluster) accept(metadata string, timeout int64, named bool) *errorResponse {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, failed := c.partition(metadata, errArguments, errArguments)
	switch {
	case failed != nil:
		return failed
	case named:
		return p.request(c.now(), timeout, nil, c.behavior.longestTimeout)
	}
	policy := c.policyOf(p)
	if policy == nil {
		return errBackupNotEnabled
	}
	place := policy.Storage
	return p.request(c.now(), timeout, &place, c.behavior.longestTimeout)
}

// getPartitionBackupProgress tells how the latest requested backup goes.
func (c *Cluster) getPartitionBackupProgress(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	b := c.binder(req)
	if failed := b.check(); failed != nil {
		return failed
	}

	body, failed := c.progress(req.metadata)
	if failed != nil {
		return failed
	}
	writeBody(w, http.StatusOK, jsonType, body)
	return nil
}

// progress returns the state of a partition's latest request as it is sent.
func (c *Cluster) progress(metadata string) ([]byte, *errorResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, failed := c.partition(metadata, errArguments, errArguments)
	if failed != nil {
		return nil, failed
	}
	now := c.now()
	p.settle(now)
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

// list lists the backups that the storages of some policies hold of some
// partitions of a service.
func (c *Cluster) list(w http.ResponseWriter, req *forwardedRequest, find func() (*service, []*partition, []*policy, *errorResponse)) *errorResponse {
	b := c.binder(req)
	q := b.listQuery()
	if failed := b.check(); failed != nil {
		return failed
	}

	s, views, failed := c.views(find)
	switch {
	case failed != nil:
		return failed
	case s.stateless:
		return errStateless
	case len(views) == 0:
		return errBackupNotEnabled
	}
	p, failed := c.page(views, q)
	if failed != nil {
		return failed
	}
	if req.adjust != nil {
		req.adjust(p)
	}
	p.write(w, c.behavior)
	return nil
}

// views looks at the cluster's state for as short as possible, and returns
// what a list can be written from at the pace of its reader: a storageView for each
// of the policies, in the order of their storages' identities.
func (c *Cluster) views(find func() (*service, []*partition, []*policy, *errorResponse)) (*service, []storageView, *errorResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, partitions, policies, failed := find()
	if failed != nil {
		return nil, nil, failed
	}
	now := c.now()
	for _, p := range partitions {
		p.settle(now)
	}
	var views []storageView
	for _, policy := range policies {
		if policy == nil || slices.ContainsFunc(views, func(s storageView) bool { return s.id == policy.storageID }) {
			continue
		}
		views = append(views, newStorageView(policy, partitions, now))
	}
	slices.SortFunc(views, func(a, b storageView) int { return strings.Compare(a.id, b.id) })
	return s, views, nil
}

// partition finds the partition that the gateway's header names. What a header
// with more than an identity and an identity that is none are reported as
// differs between the operations.
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

// parseGUID reads an identity in the forms that .NET accepts: 32 digits, with
// or without dashes, and with dashes in braces or parentheses.
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

// check reports what is wrong with the arguments that every operation has and
// with those that were read before.
func (b *binder) check() *errorResponse {
	if failed := b.timeout(); failed != nil {
		return failed
	}
	if failed := b.argumentError(); failed != nil {
		return failed
	}
	return b.apiVersion()
}
