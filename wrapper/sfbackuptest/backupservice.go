package sfbackuptest

import (
	"net/http"
	"slices"
	"strings"
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
	timeout := b.int("backupTimeout", 10, 32)
	b.common()
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
	p, failed := c.partition(metadata, false)
	switch {
	case failed != nil:
		return failed
	case named:
		return p.requestBackup(c.now(), timeout, nil, c.behavior)
	}
	policy := c.policyOfSpelling(p)
	if policy == nil {
		return errBackupNotEnabled
	}
	storage := policy.Storage
	return p.requestBackup(c.now(), timeout, &storage, c.behavior)
}

// getPartitionBackupProgress returns the progress of the latest requested backup.
func (c *Cluster) getPartitionBackupProgress(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	b := c.binder(req)
	b.common()
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

// progress returns the JSON of the progress of a partition's latest request.
func (c *Cluster) progress(metadata string) ([]byte, *errorResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, failed := c.partition(metadata, false)
	if failed != nil {
		return nil, failed
	}
	now := c.now()
	p.completeBackups(now)
	return appendProgress(nil, c.behavior, p, now, c.zone), nil
}

// search is what a list searches.
type search struct {
	service    *service
	partitions []spelling
	policies   []*policy // may contain nil
	one        bool      // the list is that of a partition
}

// getPartitionBackupList lists the backups of a partition.
func (c *Cluster) getPartitionBackupList(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	return c.list(w, req, func() (*search, *errorResponse) {
		p, failed := c.partition(req.metadata, true)
		if failed != nil {
			return nil, failed
		}
		return &search{p.service, []spelling{p}, []*policy{c.policyOfSpelling(p)}, true}, nil
	})
}

// getServiceBackupList lists the backups of all partitions of a service.
func (c *Cluster) getServiceBackupList(w http.ResponseWriter, req *forwardedRequest) *errorResponse {
	return c.list(w, req, func() (*search, *errorResponse) {
		s, failed := c.service(req.metadata)
		if failed != nil {
			return nil, failed
		}
		found := &search{service: s, policies: c.policiesOf(s)}
		for _, p := range s.partitions {
			found.partitions = append(found.partitions, spelling{p, p.ID.String()})
		}
		return found, nil
	})
}

// list lists the backups of some partitions of a service in the storages of some policies.
func (c *Cluster) list(w http.ResponseWriter, req *forwardedRequest, find func() (*search, *errorResponse)) *errorResponse {
	b := c.binder(req)
	q := b.listQuery()
	if failed := b.check(); failed != nil {
		return failed
	}

	views, failed := c.storageViews(find)
	if failed != nil {
		return failed
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
func (c *Cluster) storageViews(find func() (*search, *errorResponse)) ([]storageView, *errorResponse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, failed := find()
	switch {
	case failed != nil:
		return nil, failed
	case found.service.Stateless:
		return nil, errStateless
	}
	now := c.now()
	for _, p := range found.partitions {
		if _, err := p.inURI(); err != nil {
			return nil, serviceError(http.StatusInternalServerError, "E_UNEXPECTED", err.Error())
		}
		p.completeBackups(now)
	}
	var views []storageView
	for _, policy := range found.policies {
		same := func(s storageView) bool { return c.behavior.sameStorage(s.storage, policy.Storage) }
		if policy == nil || slices.ContainsFunc(views, same) {
			continue
		}
		view := newStorageView(policy, found, now)
		if view.fault = c.storageFaults[policy.Storage]; view.fault == ShareUnreachable {
			view.folders = nil
		}
		views = append(views, view)
	}
	if len(views) == 0 {
		return nil, errBackupNotEnabled
	}
	slices.SortFunc(views, func(a, b storageView) int { return strings.Compare(a.id, b.id) })
	return views, nil
}

// partition finds the partition that the gateway's header names. The errors of lists are others than those of
// the two other operations.
func (c *Cluster) partition(metadata string, list bool) (spelling, *errorResponse) {
	_, text, _ := strings.Cut(metadata, "/")
	id, err := parseGUID(text)
	switch {
	case list && (text == "" || strings.Contains(text, "/")):
		return spelling{}, errArgument
	case err != nil && list && c.behavior.numericCodes:
		return spelling{}, &errorResponse{
			status:  http.StatusInternalServerError,
			hresult: hresultFormat,
			message: err.Error(),
		}
	case err != nil:
		return spelling{}, errArguments
	}
	if !c.behavior.spelledIDs {
		text = id.String()
	}
	if p := c.partitions[id]; p != nil {
		return spelling{p, text}, nil
	}
	return spelling{}, errPartitionNotFound
}

// service finds the service that the gateway's header names. Only the names of two parts are looked up by
// the service itself.
func (c *Cluster) service(metadata string) (*service, *errorResponse) {
	_, name, _ := strings.Cut(metadata, "/")
	if c.behavior.tildeIsSlash {
		name = strings.ReplaceAll(name, "~", "/")
	}
	name = strings.Trim(name, "/")
	if s := c.services[fabricScheme+name]; s != nil {
		return s, nil
	}
	if strings.Count(name, "/") == 1 && c.behavior.numericCodes {
		return nil, errServiceNotFound
	}
	return nil, errServiceDoesNotExist
}

func (c *Cluster) binder(req *forwardedRequest) *binder {
	return &binder{query: req.query, behavior: c.behavior, zone: c.zone}
}
