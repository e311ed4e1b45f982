package sfbackuptest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Policy describes a backup policy: where backups are stored, when they are made and how long they are
// kept. A partition without a policy of its own has the policy of its service, else that of the
// application; see [Partition], [Service], [Application] and [Cluster.SetPolicy]. A list of a partition shows
// what is in the storage of the policy that applies, and a list of a service what is in those of the
// policies of its partitions. In 6.4 the latter also searches the storages of the application's policy and of
// services whose names begin with its name, which makes a page fail if one has no backups for it.
type Policy struct {
	// Name identifies the policy. Policies with the same name are the same policy. They must be equal in
	// the options of [NewCluster]; [Cluster.SetPolicy] replaces them. Empty: the policy is not shared.
	Name string

	// Storage is where backups are stored.
	Storage Storage

	// MaxIncrementalBackups is how many incremental backups are made between two full ones. Zero: that
	// of the [Service]. Negative: none, all backups are full.
	MaxIncrementalBackups int

	// Every is the time between two periodic backups, at least a second. Zero: no periodic backups.
	// They are in lists as soon as the clock has reached their time, and never in a progress.
	Every time.Duration

	// Start is the time of the first periodic backup. If it is before the cluster is created, the
	// cluster has all the backups since then, but [Cluster.SetPolicy] makes none for the past. Zero:
	// Every after the policy begins to apply.
	Start time.Time

	// Retention is how long backups are kept. Zero: forever. A backup stays as long as any later
	// backup of its chain. A longer retention does not bring expired backups back.
	Retention time.Duration

	// MinimumBackups is how many backups of a partition are kept regardless of their age. Zero means
	// one: the latest backup is always kept.
	MinimumBackups int
}

// Application describes what the services of an application have in common.
type Application struct {
	// Name is the full name with its scheme: fabric:/CalcApp.
	Name string

	// Policy is the policy of its services that have no policy of their own. Nil: none. A list of a
	// service searches its storage even if the service has another policy.
	Policy *Policy
}

// SetPolicy changes the policy of an application, a service or a partition. The name is the full name of
// the application or service, or the ID of the partition. If policy is nil, the application, service or
// partition loses its own policy. If a policy with the same Name exists, the new one replaces it wherever it
// is used.
//
// The backups in the storage of the old policy stay there, and are in lists again when a policy with that
// storage applies. But if the storage of a policy changes, it gets a new ID, so continuation tokens from
// before name a storage that no longer exists.
//
// It panics if the cluster has no application, service or partition of that name, or if the policy is
// invalid.
func (c *Cluster) SetPolicy(name string, policy *Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	// The old policies apply until now.
	for _, p := range c.order {
		p.completeBackups(now)
	}
	if err := c.setPolicy(name, policy, true); err != nil {
		panic("sfbackuptest: SetPolicy: " + err.Error())
	}
	for _, p := range c.order {
		p.applyPolicy(c.policyOf(p), now, false)
	}
}

// policy is a policy that applies. The storages of a list are ordered by storageID, and continuation
// tokens begin with it.
type policy struct {
	Policy
	storageID string
}

// setPolicy sets the policy of an application, a service or a partition.
func (c *Cluster) setPolicy(name string, description *Policy, replace bool) error {
	p, err := c.registerPolicy(name, description, replace)
	if err != nil {
		return err
	}
	if id, err := uuid.Parse(name); err == nil && c.partitions[id] != nil {
		c.partitions[id].own = p
		return nil
	}
	if s := c.services[name]; s != nil {
		s.own = p
		return nil
	}
	for _, s := range c.services {
		if s.ApplicationName == name {
			c.applications[name] = p
			return nil
		}
	}
	return fmt.Errorf("the cluster has no %q", name)
}

// registerPolicy returns the policy of a description, nil for none. Only if replace is set may the
// description differ from an earlier one with the same name.
func (c *Cluster) registerPolicy(owner string, description *Policy, replace bool) (*policy, error) {
	if description == nil {
		return nil, nil
	}
	d := *description
	d.Storage = d.Storage.withDefaults()
	d.Name = cmp.Or(d.Name, "of "+owner)
	switch {
	case d.Every != 0 && d.Every < time.Second:
		return nil, fmt.Errorf("policy %s makes backups every %s, which is less than a second", d.Name, d.Every)
	case d.Storage.Kind != StorageKindFileShare && d.Storage.Kind != StorageKindAzureBlobStore:
		return nil, fmt.Errorf("policy %s has a storage of the kind %q, which this cluster does not support", d.Name, d.Storage.Kind)
	}
	p := c.policies[d.Name]
	switch {
	case p == nil:
		p = &policy{}
		c.policies[d.Name] = p
	case p.Policy == d:
		return p, nil
	case !replace:
		return nil, fmt.Errorf("policy %s is described in two ways", d.Name)
	}
	if p.storageID == "" || p.Storage != d.Storage {
		c.storages++
		p.storageID = newUUID(newSource(c.seed, "storage/"+strconv.Itoa(c.storages))).String()
	}
	p.Policy = d
	return p, nil
}

// policyOf returns the policy that applies to a partition, or nil.
func (c *Cluster) policyOf(p *partition) *policy {
	return cmp.Or(p.own, c.policyOfService(p.service))
}

// policyOfSpelling is policyOf for a request. The service finds a partition's own policy only under the
// canonical form of the ID.
func (c *Cluster) policyOfSpelling(p spelling) *policy {
	if p.canonical() {
		return c.policyOf(p.partition)
	}
	return c.policyOfService(p.service)
}

// policyOfService returns the policy that applies to a service, or nil. The default policy applies only
// where nothing is described, so that it is no other storage for a list of described ones.
func (c *Cluster) policyOfService(s *service) *policy {
	ofApplication, described := c.applications[s.ApplicationName]
	switch {
	case s.own != nil:
		return s.own
	case s.NoPolicy:
		return nil
	case described:
		return ofApplication
	case len(s.partitions) > 0 && !slices.ContainsFunc(s.partitions, func(p *partition) bool { return p.own == nil }):
		return nil
	default:
		return c.defaultPolicy
	}
}

// policiesOf returns the policies whose storages a list of a service searches, and possibly nil. In 6.4 these
// are the policies of all services and partitions whose names begin with that of the service, even
// fabric:/App/Svc2 for fabric:/App/Svc, and the policy of the application.
func (c *Cluster) policiesOf(s *service) (policies []*policy) {
	first := slices.Index(c.byKey, s)
	last := first + 1
	for c.behavior.searchesPrefix && last < len(c.byKey) && strings.HasPrefix(c.byKey[last].key, s.key) {
		last++
	}
	for _, t := range c.byKey[first:last] {
		policies = append(policies, t.own)
		for _, p := range t.partitions {
			policies = append(policies, p.own)
		}
	}
	if c.behavior.searchesPrefix && !s.NoPolicy {
		policies = append(policies, c.applications[s.ApplicationName])
	}
	return append(policies, c.policyOfService(s))
}
