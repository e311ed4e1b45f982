package sfbackuptest

import "time"

// Option configures a [Cluster]. If an option is given several times, the last one applies.
type Option interface{ apply(*config) }

// WithProfile selects whether the cluster behaves as the documentation says or as real clusters do. The
// default is [ProfileRuntime], because clients have to work with real clusters.
func WithProfile(p Profile) Option {
	return option(func(cfg *config) { cfg.profile = p })
}

// WithSeed sets the seed from which all IDs and LSNs that the options omit are derived. The default is 1.
func WithSeed(seed uint64) Option {
	return option(func(cfg *config) { cfg.seed = seed })
}

// WithClock sets the cluster's clock, which is also that of the header Date. The default is [time.Now]. The
// function must be safe for concurrent use and must not go backwards.
func WithClock(now func() time.Time) Option {
	return option(func(cfg *config) { cfg.clock = now })
}

// WithTimeZone sets the time zone of the cluster's nodes, which applies to time filters without a zone. In 6.4
// it also shows in the progress of a backup that has not succeeded: west of UTC, its time is that of UTC at the
// beginning of the year 1. With the default, UTC, a test does not notice a client that omits the zone. A nil
// zone is UTC.
func WithTimeZone(zone *time.Location) Option {
	return option(func(cfg *config) {
		cfg.zone = zone
		if zone == nil {
			cfg.zone = time.UTC
		}
	})
}

// WithServices replaces the example service of the documentation. WithServices() without arguments gives a
// cluster without services.
func WithServices(services ...Service) Option {
	return option(func(cfg *config) { cfg.services = services })
}

// WithApplications sets the policies of applications. Each of them must have a service. In an application
// that is not described, all services share one default policy, whose storage is a file share, except
// those that have a policy of their own or whose partitions all have one.
func WithApplications(applications ...Application) Option {
	return option(func(cfg *config) { cfg.applications = applications })
}

// WithQuirk switches the behavior q on or off, whatever the profile is.
func WithQuirk(q Quirk, on bool) Option {
	return option(func(cfg *config) { cfg.quirks[q] = on })
}

// config is what options set. NewCluster has the defaults.
type config struct {
	profile      Profile
	seed         uint64
	clock        func() time.Time
	zone         *time.Location
	services     []Service
	applications []Application
	quirks       map[Quirk]bool
}

type option func(*config)

func (o option) apply(cfg *config) { o(cfg) }
