package sfbackuptest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const fabricScheme = "fabric:/"

// The values of descriptions that say nothing.
const (
	defaultDataLossVersion       = 131462452931584510
	defaultConfigurationVersion  = 8589934592
	defaultMaxIncrementalBackups = 5
)

// service is a service as described, with everything filled in. It does not
// change.
type service struct {
	name            string // fabric:/App/Svc
	application     string // fabric:/App
	folder          string // App\Svc, the service's folder in a store
	manifestVersion string
	stateless       bool
	noPolicy        bool
	maxIncremental  int
	partitions      []*partition // by identity
}

func newService(d Service) (*service, error) {
	path, ok := strings.CutPrefix(d.Name, fabricScheme)
	segments := strings.Split(path, "/")
	if !ok || len(segments) < 2 || slices.Contains(segments, "") {
		return nil, fmt.Errorf("service name %q is not of the form fabric:/App/Svc", d.Name)
	}
	s := &service{
		name:            d.Name,
		application:     d.ApplicationName,
		manifestVersion: d.ManifestVersion,
		stateless:       d.Stateless,
		noPolicy:        d.NoPolicy,
		maxIncremental:  d.MaxIncrementalBackups,
	}
	if s.application == "" {
		s.application = d.Name[:strings.LastIndexByte(d.Name, '/')]
	}
	rest, ok := strings.CutPrefix(d.Name, s.application+"/")
	if !ok || !strings.HasPrefix(s.application, fabricScheme) || s.application == fabricScheme {
		return nil, fmt.Errorf("service %s does not belong to an application %q", d.Name, d.ApplicationName)
	}
	s.folder = folderName(s.application) + `\` + folderName(rest)
	if s.maxIncremental == 0 {
		s.maxIncremental = defaultMaxIncrementalBackups
	}
	return s, nil
}

// partition is a partition and what happens to it. The fields below the blank
// line are guarded by the cluster's mutex.
type partition struct {
	service *service
	id      uuid.UUID
	kind    PartitionKind
	low     int64
	high    int64
	name    string
	source  *rand.PCG

	backups  history
	lastLSN  int64
	outcomes []Outcome  // of the next requests
	latest   *request   // what GetBackupProgress talks of
	pending  []*request // delivered, but maybe not ended, by the time they end
}

func newPartition(s *service, d Partition, place int, seed uint64) (*partition, error) {
	p := &partition{
		service: s,
		id:      d.ID,
		kind:    d.Kind,
		low:     d.LowKey,
		high:    d.HighKey,
		name:    d.Name,
		source:  newSource(seed, s.name+"/"+strconv.Itoa(place)),
	}
	if p.id == uuid.Nil {
		p.id = newUUID(p.source)
	}
	switch {
	case p.kind != "":
	case p.name != "":
		p.kind = PartitionKindNamed
	case p.low != 0 || p.high != 0:
		p.kind = PartitionKindInt64Range
	default:
		p.kind = PartitionKindSingleton
	}
	switch p.kind {
	case PartitionKindInt64Range:
		if p.low == 0 && p.high == 0 {
			p.low, p.high = math.MinInt64, math.MaxInt64
		}
		if p.low > p.high {
			return nil, fmt.Errorf("partition %s ends at %d before it begins at %d", p.id, p.high, p.low)
		}
	case PartitionKindNamed, PartitionKindSingleton:
	default:
		return nil, fmt.Errorf("partition %s is of the unknown kind %q", p.id, p.kind)
	}
	if err := p.fill(d.Backups); err != nil {
		return nil, fmt.Errorf("partition %s: %w", p.id, err)
	}
	return p, nil
}

// fill puts the described backups into the store and adds what the
// description leaves open.
func (p *partition) fill(described []Backup) error {
	backups := slices.Clone(described)
	for i := range backups {
		if backups[i].Time.IsZero() {
			return errors.New("a backup has no time")
		}
		backups[i].Time = backups[i].Time.UTC().Truncate(time.Second)
	}
	slices.SortStableFunc(backups, func(a, b Backup) int { return a.Time.Compare(b.Time) })

	for _, b := range backups {
		last := p.backups.last()
		if last != nil && last.Time.Equal(b.Time) {
			return fmt.Errorf("two backups are of the second %s", b.Time.Format(time.RFC3339))
		}
		if b.Type == "" {
			b.Type = BackupTypeFull
		}
		if b.ID == uuid.Nil {
			b.ID = newUUID(p.source)
		}
		switch {
		case b.ChainID != uuid.Nil:
		case b.Type == BackupTypeFull:
			b.ChainID = b.ID
		case last != nil:
			b.ChainID = last.ChainID
		default:
			return fmt.Errorf("the incremental backup of %s has no chain", b.Time.Format(time.RFC3339))
		}
		p.store(b)
	}
	return nil
}

// store adds a backup, later than all others, to the policy's store.
func (p *partition) store(b Backup) *record {
	r := p.complete(b)
	p.backups = append(p.backups, r)
	return r
}

// complete returns a backup with an epoch, that of the backup before it, and
// an LSN some writes later.
func (p *partition) complete(b Backup) *record {
	epoch := Backup{DataLossVersion: defaultDataLossVersion, ConfigurationVersion: defaultConfigurationVersion}
	if last := p.backups.last(); last != nil {
		epoch = last.Backup
	}
	if b.DataLossVersion == 0 {
		b.DataLossVersion = epoch.DataLossVersion
	}
	if b.ConfigurationVersion == 0 {
		b.ConfigurationVersion = epoch.ConfigurationVersion
	}
	if b.LSN == 0 {
		b.LSN = p.lastLSN + min(100+int64(p.source.Uint64()&0x7f), math.MaxInt64-p.lastLSN)
	}
	p.lastLSN = max(p.lastLSN, b.LSN)
	return &record{b}
}

// location returns where a store keeps a backup, relative to its root. It has
// backslashes in all stores, those of Azure included.
func (p *partition) location(r *record) string {
	return p.folder() + `\` + r.fileName() + archiveExtension
}

// folder returns the partition's folder in a store.
func (p *partition) folder() string {
	return p.service.folder + `\` + p.id.String()
}
