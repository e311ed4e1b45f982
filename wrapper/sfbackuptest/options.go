package sfbackuptest

import "time"

// Option configures a [Cluster].
type Option interface{ apply(*config) }

// WithProfile chooses between what the documents promise and what clusters
// answer. The default is [ProfileRuntime]: a client that only ever sees
// polite answers has not been tested.
func WithProfile(p Profile) Option {
	return option(func(cfg *config) { cfg.profile = p })
}

// WithSeed sets the number from which every identity and LSN derives that the
// descriptions of services leave open. The default is 1.
func WithSeed(seed uint64) Option {
	return option(func(cfg *config) { cfg.seed = seed })
}

// WithClock sets the cluster's clock. The default is [time.Now]. The function
// must be safe for concurrent use and must not go backwards.
func WithClock(now func() time.Time) Option {
	return option(func(cfg *config) { cfg.clock = now })
}

// WithTimeZone sets the time zone of the cluster's nodes, in which they read a
// time filter that names none. The default is UTC, which hides from a client
// that it forgot the zone. A nil zone is UTC.
func WithTimeZone(zone *time.Location) Option {
	return option(func(cfg *config) {
		cfg.zone = zone
		if zone == nil {
			cfg.zone = time.UTC
		}
	})
}

// WithServices replaces the documents' example service. Given several times,
// the last one counts; given no service, the cluster has none.
func WithServices(services ...Service) Option {
	return option(func(cfg *config) { cfg.services = services })
}

// WithApplications sets the policies of applications, each of which must have a
// service. An application that is not described has a policy, one for all of
// them, whose storage is a file share.
func WithApplications(applications ...Application) Option {
	return option(func(cfg *config) { cfg.applications = applications })
}

// WithQuirk switches something on or off that the profile would decide.
func WithQuirk(q Quirk, on bool) Option {
	return option(func(cfg *config) { cfg.quirks = append(cfg.quirks, quirk{q, on}) })
}

// config is what options set. Its zero value is not usable, NewCluster has the
// defaults.
type config struct {
	profile  Profile
	seed     uint64
	clock    func() time.Time
	zone     *time.Location
	services []Service

	applications []Application
	quirks       []quirk
}

type quirk struct {
	Quirk
	on bool
}

type option func(*config)

func (o option) apply(cfg *config) { o(cfg) }
