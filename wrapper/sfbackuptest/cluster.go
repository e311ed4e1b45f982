package sfbackuptest

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Cluster is a Service Fabric cluster as far as its backup API shows it: an
// [http.Handler] that answers as the cluster's gateway and the backup service
// behind it do. All its methods are safe for concurrent use.
type Cluster struct {
	conduct   *conduct
	now       func() time.Time
	zone      *time.Location
	storageID string // identity of the storage of all backup policies
	services  map[string]*service
	order     []*partition // as configured

	mu         sync.Mutex // guards the state of the partitions, see partition
	partitions map[uuid.UUID]*partition
}

// NewCluster returns a cluster. With no options it is the one of the
// documents' examples: service fabric:/CalcApp/CalcService with the partitions
// 1daae3f5-7fd6-42e9-b1ba-8c05f873994d and
// 81645ec7-d260-4c59-9533-8f129bde8e83, and their backups.
//
// It panics when the options describe no possible cluster (a service name
// that is none, the same partition twice, a backup without a time), because
// that is a mistake in the test and not a condition it can handle.
func NewCluster(opts ...Option) *Cluster {
	cfg := config{
		profile:  ProfileCluster64,
		seed:     1,
		clock:    time.Now,
		zone:     time.UTC,
		services: documentedServices(),
	}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	c := &Cluster{
		conduct:    cfg.profile.conduct(),
		now:        cfg.clock,
		zone:       cfg.zone,
		storageID:  newUUID(newSource(cfg.seed, "storage")).String(),
		services:   make(map[string]*service, len(cfg.services)),
		partitions: make(map[uuid.UUID]*partition),
	}
	for _, s := range cfg.services {
		if err := c.add(s, cfg.seed); err != nil {
			panic("sfbackuptest: " + err.Error())
		}
	}
	return c
}

// ServeHTTP answers one request to the cluster's HTTP gateway, the one that
// listens on port 19080 of every node.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.serveGateway(w, r)
}

// Transport returns a RoundTripper whose requests go to this cluster, whatever
// host they name, without a socket. It has no connections and keeps nothing
// between requests, so that it works in a [testing/synctest] bubble and may
// have been made outside of it.
//
// A response is streamed: its first bytes can be read before the last are
// written. The goroutine that serves a request has ended when the response's
// body was read to its end or closed, or when the request failed. Handlers and
// clients see each other as they do through net/http, except that compression
// is never asked for.
func (c *Cluster) Transport() http.RoundTripper {
	return &transport{handler: c, now: c.now}
}

// Partitions returns the identities of all partitions, in the order in which
// [WithServices] gave them.
func (c *Cluster) Partitions() []uuid.UUID {
	ids := make([]uuid.UUID, len(c.order))
	for i, p := range c.order {
		ids[i] = p.id
	}
	return ids
}

// Backups returns what the storage of the backup policy holds for a partition
// now, oldest first, with every derived value filled in: what a list of all its
// backups should show. It is nil for a partition the cluster does not have.
func (c *Cluster) Backups(partition uuid.UUID) []Backup {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[partition]
	if p == nil {
		return nil
	}
	p.settle(c.now())
	backups := make([]Backup, len(p.backups))
	for i, r := range p.backups {
		backups[i] = r.Backup
	}
	return backups
}

// SetOutcome says how the next requested backups of a partition go: the first
// as the first outcome says, the second as the second, and so on, and all
// further ones as the last. With no outcome they go by the zero [Outcome]
// again. Backups that were requested before are not affected.
//
// It panics when the cluster has no such partition.
func (c *Cluster) SetOutcome(partition uuid.UUID, outcomes ...Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[partition]
	if p == nil {
		panic(fmt.Sprintf("sfbackuptest: SetOutcome: the cluster has no partition %s", partition))
	}
	p.outcomes = slices.Clone(outcomes)
}

// add builds one service and its partitions from their description.
func (c *Cluster) add(description Service, seed uint64) error {
	s, err := newService(description)
	if err != nil {
		return err
	}
	if c.services[s.name] != nil {
		return fmt.Errorf("service %s is described twice", s.name)
	}
	c.services[s.name] = s
	for i, pd := range description.Partitions {
		p, err := newPartition(s, pd, i, seed)
		if err != nil {
			return fmt.Errorf("service %s: %w", s.name, err)
		}
		if c.partitions[p.id] != nil {
			return fmt.Errorf("service %s: partition %s is described twice", s.name, p.id)
		}
		c.partitions[p.id] = p
		c.order = append(c.order, p)
		s.partitions = append(s.partitions, p)
	}
	// A store lists its folders by name, and the folders of one service
	// differ in the partition's identity only.
	slices.SortFunc(s.partitions, func(a, b *partition) int { return slices.Compare(a.id[:], b.id[:]) })
	return nil
}
