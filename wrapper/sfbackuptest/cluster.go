package sfbackuptest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// Cluster is a Service Fabric cluster as far as its backup API shows it: an
// [http.Handler] that answers as the cluster's gateway and the backup service
// behind it do. All its methods are safe for concurrent use.
type Cluster struct {
	behavior      *behavior
	now           func() time.Time
	zone          *time.Location
	authenticator authenticator
	injector      injector
	requestLog    requestLog
	seed          uint64
	defaultPolicy *policy // of applications that are not described
	services      map[string]*service
	order         []*partition // as configured

	mu           sync.Mutex // guards the state of the partitions, see partition, and what follows
	partitions   map[uuid.UUID]*partition
	applications map[string]*policy // of those that are described; nil: none
	policies     map[string]*policy // by name
	storages     int                // how many identities they have got
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
		profile:  ProfileRuntime,
		seed:     1,
		clock:    time.Now,
		zone:     time.UTC,
		services: documentedServices(),
	}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	c := &Cluster{
		behavior:     cfg.profile.behavior(),
		now:          cfg.clock,
		zone:         cfg.zone,
		seed:         cfg.seed,
		services:     make(map[string]*service, len(cfg.services)),
		partitions:   make(map[uuid.UUID]*partition),
		applications: make(map[string]*policy),
		policies:     make(map[string]*policy),
	}
	for _, q := range cfg.quirks {
		c.behavior.set(q.Quirk, q.on)
	}
	if err := c.build(&cfg); err != nil {
		panic("sfbackuptest: " + err.Error())
	}
	return c
}

// build fills the cluster with what is described.
func (c *Cluster) build(cfg *config) error {
	c.defaultPolicy = &policy{
		Policy:    Policy{Storage: Storage{Kind: StorageKindFileShare}},
		storageID: newUUID(newSource(c.seed, "storage")).String(),
	}
	for _, s := range cfg.services {
		if err := c.add(s); err != nil {
			return err
		}
	}
	for _, a := range cfg.applications {
		if err := c.setPolicy(a.Name, a.Policy, false); err != nil {
			return fmt.Errorf("application %s: %w", a.Name, err)
		}
	}
	now := c.now()
	for _, d := range cfg.services {
		s := c.services[d.Name]
		for i, p := range s.described {
			if err := p.fill(d.Partitions[i], cmp.Or(c.policyOf(p), c.defaultPolicy).Storage); err != nil {
				return fmt.Errorf("service %s: %w", d.Name, err)
			}
			p.follow(c.policyOf(p), now, true)
		}
	}
	return nil
}

// ServeHTTP answers one request to the cluster's HTTP gateway, the one that
// listens on port 19080 of every node.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var op Operation
	if routed, failed := route(r); failed == nil {
		op = routed.name
	}
	request := c.requestLog.arrive(r, op, c.now())
	r = r.WithContext(r.Context()) // a copy: the caller keeps its body
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Body = &bodyRecorder{ReadCloser: r.Body, requestLog: &c.requestLog, request: request}
	recorder := &statusRecorder{ResponseWriter: w, r: r, requestLog: &c.requestLog, request: request}

	if f := c.injector.next(op, r); f != nil {
		c.requestLog.note(func() { request.Fault = f.String() })
		f.serve(c, recorder, r)
		return
	}
	c.serveGateway(recorder, r, nil)
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
	return handlertransport.New(c, c.now)
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
	now := c.now()
	p.settle(now)
	policy := Policy{Storage: p.home}
	if applies := c.policyOf(p); applies != nil {
		policy = applies.Policy
	}
	h := p.history(&policy, now)
	backups := make([]Backup, 0, h.len())
	for r := range h.all() {
		backups = append(backups, r.Backup)
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

// add builds one service and its partitions from their description, but not yet
// the backups: where they are depends on the policies.
func (c *Cluster) add(description Service) error {
	s, err := newService(description)
	if err != nil {
		return err
	}
	if c.services[s.name] != nil {
		return fmt.Errorf("service %s is described twice", s.name)
	}
	c.services[s.name] = s
	if s.own, err = c.registerPolicy(s.name, description.Policy, false); err != nil {
		return fmt.Errorf("service %s: %w", s.name, err)
	}
	for i, pd := range description.Partitions {
		p, err := newPartition(s, pd, i, c.seed)
		if err == nil {
			p.own, err = c.registerPolicy(p.id.String(), pd.Policy, false)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", s.name, err)
		}
		if c.partitions[p.id] != nil {
			return fmt.Errorf("service %s: partition %s is described twice", s.name, p.id)
		}
		c.partitions[p.id] = p
		c.order = append(c.order, p)
		s.described = append(s.described, p)
	}
	s.partitions = slices.Clone(s.described)
	// A store lists its folders by name, and the folders of one service
	// differ in the partition's identity only.
	slices.SortFunc(s.partitions, func(a, b *partition) int { return slices.Compare(a.id[:], b.id[:]) })
	return nil
}
