package sfbackuptest

import (
	"fmt"
	"slices"
	"strings"
)

const fabricScheme = "fabric:/"

// The defaults of descriptions.
const (
	defaultDataLossVersion       = 131462452931584510
	defaultConfigurationVersion  = 8589934592
	defaultMaxIncrementalBackups = 5
)

// service is a described service with all defaults. Only its policy changes; the cluster's mutex guards it.
type service struct {
	name            string // fabric:/App/Svc
	application     string // fabric:/App
	folder          string // App\Svc, the service's folder in a store
	manifestVersion string
	stateless       bool
	noPolicy        bool
	maxIncremental  int
	partitions      []*partition // ordered by ID
	described       []*partition // the same, in the order of the description
	own             *policy      // nil: the policy of the application applies
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
