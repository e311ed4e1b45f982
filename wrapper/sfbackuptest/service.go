package sfbackuptest

import (
	"cmp"
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

// service is a described service with all defaults. Only own changes; the cluster's mutex guards it.
type service struct {
	Service
	folder     string       // App\Svc, the service's folder in a store
	key        string       // fabric:/App/Svc, with '$' for the other slashes: its key in the backup service
	partitions []*partition // ordered by ID
	own        *policy      // that of Policy or SetPolicy; nil: the policy of the application applies
}

func newService(d Service) (*service, error) {
	path, ok := strings.CutPrefix(d.Name, fabricScheme)
	segments := strings.Split(path, "/")
	if !ok || len(segments) < 2 || slices.Contains(segments, "") {
		return nil, fmt.Errorf("service name %q is not of the form fabric:/App/Svc", d.Name)
	}
	d.ApplicationName = cmp.Or(d.ApplicationName, d.Name[:strings.LastIndexByte(d.Name, '/')])
	d.MaxIncrementalBackups = cmp.Or(d.MaxIncrementalBackups, defaultMaxIncrementalBackups)
	rest, ok := strings.CutPrefix(d.Name, d.ApplicationName+"/")
	if !ok || !strings.HasPrefix(d.ApplicationName, fabricScheme) || d.ApplicationName == fabricScheme {
		return nil, fmt.Errorf("service %s does not belong to an application %q", d.Name, d.ApplicationName)
	}
	app, svc := folderName(d.ApplicationName), folderName(rest)
	return &service{Service: d, folder: app + `\` + svc, key: fabricScheme + app + "/" + svc}, nil
}
