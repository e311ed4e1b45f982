package sfbackuptest

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// Policy describes a backup policy: where backups go and, if it has a schedule,
// when they are made. The policy of a partition is its own, else that of its
// service, else that of the application; see [Partition], [Service],
// [Application] and [Cluster.SetPolicy]. Lists show what is in the storages of
// the policies that apply, and nothing else.
type Policy struct {
	// Name tells policies apart. Policies of the same name are one, and must
	// be described the same. Empty: a policy of the one thing it is given to.
	Name string

	// Storage is where backups go.
	Storage Storage

	// MaxIncrementalBackups is how many incremental backups are made after a
	// full one before the next full one. Zero: that of the [Service].
	// Negative: none, all backups are full.
	MaxIncrementalBackups int

	// Every is the time between two periodic backups, a second at least. Zero:
	// there are none. They are in lists as soon as the clock has reached their
	// time, and never in a progress.
	Every time.Duration

	// Start is when the first periodic backup is made. It may be long before
	// the cluster was created, which has then made all the backups since.
	// Zero: Every after the policy begins to apply.
	Start time.Time

	// Retention is for how long backups are kept. Zero: forever. One that
	// others in its chain continue stays as long as any of them.
	Retention time.Duration

	// MinimumBackups is how many backups of a partition are kept whatever
	// their age. Zero: one.
	MinimumBackups int
}

// StorageKind is a kind of storage.
type StorageKind string

// The kinds of storage that a policy of this cluster can have.
const (
	StorageKindFileShare      StorageKind = "FileShare"
	StorageKindAzureBlobStore StorageKind = "AzureBlobStore"
)

// Storage is a place for backups. Two values that are equal are the same place.
type Storage struct {
	// Kind is what the place is. Continuation tokens of a 6.4 cluster tell:
	// those of a file share have a space in them, those of Azure a '!'. Empty:
	// a file share.
	Kind StorageKind

	// Path tells places of one kind apart: the share's path or the container's
	// name.
	Path string
}

// Application describes an application as far as its services do not.
type Application struct {
	// Name is the full name with its scheme: fabric:/CalcApp.
	Name string

	// Policy is the policy of all its services that have no other. Nil: there
	// is none. (An application that is not described has one.)
	Policy *Policy
}

// SetPolicy changes the policy of an application, a service or a partition while
// the cluster runs. It is named by its full name, a partition by its identity;
// with a nil policy it has none of its own any more. A policy of the name of
// another replaces it wherever that applies.
//
// What is in the storage of the old policy stays there, and is in lists again
// when a policy has that storage. But a storage that replaces another gets an
// identity of its own: continuation tokens from before name one that is no longer
// there.
//
// It panics when the cluster has nothing of that name.
func (c *Cluster) SetPolicy(name string, policy *Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	// Until now the old policies were in force.
	for _, p := range c.order {
		p.settle(now)
	}
	if err := c.setPolicy(name, policy, true); err != nil {
		panic("sfbackuptest: SetPolicy: " + err.Error())
	}
	for _, p := range c.order {
		p.follow(c.policyOf(p), now, false)
	}
}

// policy is a policy in force. Its storage has an identity, by which the
// storages of a list are ordered and which continuation tokens begin with.
type policy struct {
	Policy
	storageID string
}

// setPolicy gives a policy to an application, a service or a partition.
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
		if s.application == name {
			c.applications[name] = p
			return nil
		}
	}
	return fmt.Errorf("the cluster has no %q", name)
}

// registerPolicy returns the policy that a description means, which is nil for
// no description.
func (c *Cluster) registerPolicy(owner string, description *Policy, replace bool) (*policy, error) {
	if description == nil {
		return nil, nil
	}
	d := *description
	d.Storage.Kind = cmp.Or(d.Storage.Kind, StorageKindFileShare)
	d.Name = cmp.Or(d.Name, "of "+owner)
	switch {
	case d.Every != 0 && d.Every < time.Second:
		return nil, fmt.Errorf("policy %s makes backups every %s, which is less than a second", d.Name, d.Every)
	case d.Storage.Kind != StorageKindFileShare && d.Storage.Kind != StorageKindAzureBlobStore:
		return nil, fmt.Errorf("policy %s has a storage of the kind %q, which this cluster has no tokens for", d.Name, d.Storage.Kind)
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
	if p.own != nil {
		return p.own
	}
	return c.policyOfService(p.service)
}

func (c *Cluster) policyOfService(s *service) *policy {
	switch p, described := c.applications[s.application]; {
	case s.own != nil:
		return s.own
	case s.noPolicy:
		return nil
	case described:
		return p
	default:
		return c.defaultPolicy
	}
}
