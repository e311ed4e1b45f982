package sfbackuptest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/servicefabric-go/backup/internal/handlertransport"
)

// Cluster simulates the backup API of a Service Fabric cluster. It is an [http.Handler] that responds like
// the cluster's gateway and the backup service behind it. All its methods are safe for concurrent use.
type Cluster struct {
	behavior      *behavior
	now           func() time.Time
	zone          *time.Location
	authenticator authenticator
	injector      injector
	requestLog    requestLog
	seed          uint64
	defaultPolicy *policy // of services for which none is described
	services      map[string]*service
	byKey         []*service   // ordered by their keys
	order         []*partition // as described

	mu            sync.Mutex // guards the fields below and the state of the partitions
	partitions    map[uuid.UUID]*partition
	applications  map[string]*policy // of described applications; nil: no policy
	policies      map[string]*policy // by name
	storages      int                // how many storage IDs were assigned
	storageFaults map[Storage]StorageFault
}

// NewCluster returns a cluster. Without options it is that of the documentation's examples: the service
// fabric:/CalcApp/CalcService with the partitions 1daae3f5-7fd6-42e9-b1ba-8c05f873994d and
// 81645ec7-d260-4c59-9533-8f129bde8e83, and their backups.
//
// It panics if the options break a rule of this documentation (an invalid service name, the same partition
// twice, a backup without a time), because that is a mistake in the test. The fields of [Service] and the
// types that it refers to have the rules.
func NewCluster(opts ...Option) *Cluster {
	cfg := config{
		profile:  ProfileRuntime,
		seed:     1,
		clock:    time.Now,
		zone:     time.UTC,
		services: documentedServices(),
		quirks:   make(map[Quirk]bool),
	}
	for _, opt := range opts {
		opt.apply(&cfg)
	}
	c := &Cluster{
		behavior:      cfg.profile.behavior(),
		now:           cfg.clock,
		zone:          cfg.zone,
		seed:          cfg.seed,
		services:      make(map[string]*service, len(cfg.services)),
		partitions:    make(map[uuid.UUID]*partition),
		applications:  make(map[string]*policy),
		policies:      make(map[string]*policy),
		storageFaults: make(map[Storage]StorageFault),
	}
	for q, on := range cfg.quirks {
		c.behavior.set(q, on)
	}
	if err := c.build(&cfg); err != nil {
		panic("sfbackuptest: " + err.Error())
	}
	return c
}

// build creates the described services, partitions, policies and backups.
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
	slices.SortFunc(c.byKey, func(a, b *service) int { return strings.Compare(a.key, b.key) })
	for _, a := range cfg.applications {
		if err := c.setPolicy(a.Name, a.Policy, false); err != nil {
			return fmt.Errorf("application %s: %w", a.Name, err)
		}
	}
	now := c.now()
	for _, p := range c.order {
		if err := p.fill(cmp.Or(c.policyOf(p), c.defaultPolicy).Storage); err != nil {
			return fmt.Errorf("service %s: partition %s: %w", p.service.Name, p.ID, err)
		}
		p.applyPolicy(c.policyOf(p), now, true)
	}
	return nil
}

// ServeHTTP responds to a request to the cluster's HTTP gateway, which listens on port 19080 of every node.
func (c *Cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var op Operation
	if routed, failed := route(r); failed == nil {
		op = routed.name
	}
	request := c.requestLog.add(r, op, c.now())
	r = r.WithContext(context.WithValue(r.Context(), requestKey{}, request)) // a copy, because the body is replaced
	if r.Body == nil {
		r.Body = http.NoBody
	}
	r.Body = &bodyRecorder{ReadCloser: r.Body, requestLog: &c.requestLog, request: request}
	recorder := &statusRecorder{ResponseWriter: w, r: r, requestLog: &c.requestLog, request: request}
	w.Header().Set("Date", request.Time.UTC().Format(http.TimeFormat)) // not the time of the machine

	if f := c.injector.next(op, r); f != nil {
		c.requestLog.update(func() { request.Fault = f.String() })
		f.serve(c, recorder, r)
		return
	}
	c.serveGateway(recorder, r, nil)
}

// Transport returns a RoundTripper that sends every request to this cluster, whatever host it names,
// without a socket. It has no connections and keeps no state between requests, so it works in a
// [testing/synctest] bubble, even if the transport was created outside the bubble.
//
// Responses are streamed: the client can read the first bytes before the last are written. By the time the
// response body has been read to its end or closed, or the request has failed, the goroutine that serves
// the request has ended. The client gets the same responses and errors as from net/http over a socket,
// except for [Refuse], but the transport never asks for compression.
func (c *Cluster) Transport() http.RoundTripper {
	return handlertransport.New(c, c.now)
}

// Partitions returns the IDs of all partitions, in the order of [WithServices].
func (c *Cluster) Partitions() []uuid.UUID {
	ids := make([]uuid.UUID, len(c.order))
	for i, p := range c.order {
		ids[i] = p.ID
	}
	return ids
}

// Backups returns the backups that a list of the partition should contain now: those in the storage of its
// policy, oldest first, with all derived values. A list of the service may have more, from the storages of
// other policies. If the partition has no policy, its list fails, but Backups returns those in the storage
// that it had at the start. If the cluster has no such partition, Backups returns nil.
func (c *Cluster) Backups(partition uuid.UUID) []Backup {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[partition]
	if p == nil {
		return nil
	}
	now := c.now()
	p.completeBackups(now)
	policy := Policy{Storage: p.initialStorage}
	if applies := c.policyOf(p); applies != nil {
		policy = applies.Policy
	}
	h := p.history(&policy, now)
	return slices.AppendSeq(make([]Backup, 0, h.len()), h.all())
}

// SetOutcome sets the outcomes of the next requested backups of a partition, in this order. The last
// outcome also applies to all further backups. Without outcomes the default applies: the zero [Outcome] or,
// for a stateless service, a backup that is never delivered. Backups that were requested before are not
// affected.
//
// It panics if the cluster has no such partition.
func (c *Cluster) SetOutcome(partition uuid.UUID, outcomes ...Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.partitions[partition]
	if p == nil {
		panic(fmt.Sprintf("sfbackuptest: SetOutcome: the cluster has no partition %s", partition))
	}
	p.outcomes = slices.Clone(outcomes)
}

// add creates a service and its partitions from their description. It does not create the backups, because
// their storage depends on the policies.
func (c *Cluster) add(description Service) error {
	s, err := newService(description)
	if err != nil {
		return err
	}
	if c.services[s.Name] != nil {
		return fmt.Errorf("service %s is described twice", s.Name)
	}
	c.services[s.Name] = s
	c.byKey = append(c.byKey, s)
	if s.own, err = c.registerPolicy(s.Name, description.Policy, false); err != nil {
		return fmt.Errorf("service %s: %w", s.Name, err)
	}
	for i, pd := range description.Partitions {
		p, err := newPartition(s, pd, i, c.seed)
		if err == nil {
			p.own, err = c.registerPolicy(p.ID.String(), pd.Policy, false)
		}
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		if c.partitions[p.ID] != nil {
			return fmt.Errorf("service %s: partition %s is described twice", s.Name, p.ID)
		}
		c.partitions[p.ID] = p
		c.order = append(c.order, p)
		s.partitions = append(s.partitions, p)
	}
	// A store lists its folders by name, and the folders of one service differ only in the partition ID.
	slices.SortFunc(s.partitions, func(a, b *partition) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return nil
}
