package sfbackuptest

import (
	"math"
	"strconv"
	"time"
)

// Profile selects how a cluster behaves where the documentation and real clusters differ.
type Profile int

const (
	// ProfileRuntime behaves like a cluster of version 6.4, in every detail that its published source
	// shows. Its responses satisfy openapi.Runtime.
	ProfileRuntime Profile = iota

	// ProfileDocumented behaves as the documentation says. Where it says nothing, the cluster behaves
	// like a 6.4 cluster, but the progress before the first requested backup has the state Invalid. Its
	// responses satisfy openapi.Documented, unless [QuirkEpochNames62] is on.
	ProfileDocumented
)

// String returns the name of the constant without its prefix.
func (p Profile) String() string {
	switch p {
	case ProfileRuntime:
		return "Runtime"
	case ProfileDocumented:
		return "Documented"
	default:
		return "Profile(" + strconv.Itoa(int(p)) + ")"
	}
}

// behavior lists all differences between the profiles. Code checks one of these fields and never a
// profile, so that all differences are documented here and a new profile is one more value.
type behavior struct {
	// tildeIsSlash: '~' may separate the parts of the name in a service ID. The documentation says so since
	// 6.0. The backup service of 6.4 appends the ID to "fabric:/" unchanged and finds no such service.
	tildeIsSlash bool

	// managedIdentity: the storage kind ManagedIdentityAzureBlobStore exists. It is newer than 6.4.
	managedIdentity bool

	// laterVersions: any api-version from 6.4 on is accepted. The backup service of 6.4 has no upper
	// bound; the documentation allows nothing above the version of the runtime.
	laterVersions bool

	// chunkedBodies: a request body may have no Content-Length. The gateway of 6.4 corrupts such a
	// body when it forwards it.
	chunkedBodies bool

	// int32Parameters: timeout and MaxResults are int32 and have no range, but a timeout that is not
	// positive, or whose milliseconds overflow an int32, causes an internal error. The documentation has
	// int64 with a range for both.
	int32Parameters bool

	// fabricErrorsOnly: every error is a FabricError as application/json. In 6.4 the errors of the
	// backup service are text/plain, those of its framework have another shape, and those of the
	// gateway's forwarding have no body.
	fabricErrorsOnly bool

	// numericCodes: an error whose HRESULT has no name has a numeric code.
	numericCodes bool

	// fullRecords: objects have all their members, null or zero if they are not set, in the order of
	// the 6.4 types. The documentation shows other orders and says that a backup that has not ended has only
	// its state.
	fullRecords bool

	// storageTokens: paging is that of 6.4. Tokens have a storage and a position in it, separated by
	// '+', and contain a space or a '!'. The last token is null. Otherwise tokens are those of the
	// documentation: service, partition and backup, separated by '#'. The last is empty.
	storageTokens bool

	// emptyPageFails: a page (MaxResults is not 0) without backups is an error, because the 6.4
	// service adds a list that may be null.
	emptyPageFails bool

	// longestTimeout is the longest BackupTimeout with which a request can be sent to its node. In 6.4
	// its milliseconds must fit an int32, which is nearly 25 days.
	longestTimeout time.Duration

	// epochNames are the names of the two parts of an epoch.
	epochNames [2]string

	// noBackupService: the backup service is not installed.
	noBackupService bool
}

// Quirk is a behavior that can be switched independently of the profile, see [WithQuirk].
type Quirk int

const (
	// QuirkEmptyPageFails makes a list request with MaxResults fail if a storage has no backups for the
	// page. The status is 400, or 500 if an earlier storage had backups for the same page. It is a bug of
	// the 6.4 service, and on by default in [ProfileRuntime].
	QuirkEmptyPageFails Quirk = iota

	// QuirkEpochNames62 names the members of an epoch DataLossNumber and ConfigurationNumber, as in
	// the preview of 6.2.
	QuirkEpochNames62

	// QuirkNoBackupService removes the backup service from the cluster. The gateway responds with a 404,
	// without a body in [ProfileRuntime], as for a service that does not exist.
	QuirkNoBackupService
)

// set switches a quirk on or off.
func (b *behavior) set(q Quirk, on bool) {
	switch q {
	case QuirkEmptyPageFails:
		b.emptyPageFails = on
	case QuirkEpochNames62:
		b.epochNames = epochNames
		if on {
			b.epochNames = epochNames62
		}
	case QuirkNoBackupService:
		b.noBackupService = on
	default:
		panic("sfbackuptest: there is no Quirk(" + strconv.Itoa(int(q)) + ")")
	}
}

var (
	epochNames   = [2]string{"DataLossVersion", "ConfigurationVersion"}
	epochNames62 = [2]string{"DataLossNumber", "ConfigurationNumber"}
)

func (p Profile) behavior() *behavior {
	switch p {
	case ProfileRuntime:
		return &behavior{
			laterVersions:   true,
			int32Parameters: true,
			numericCodes:    true,
			fullRecords:     true,
			storageTokens:   true,
			emptyPageFails:  true,
			longestTimeout:  math.MaxInt32 * time.Millisecond,
			epochNames:      epochNames,
		}
	case ProfileDocumented:
		return &behavior{
			tildeIsSlash:     true,
			managedIdentity:  true,
			chunkedBodies:    true,
			fabricErrorsOnly: true,
			longestTimeout:   math.MaxInt64,
			epochNames:       epochNames,
		}
	default:
		panic("sfbackuptest: there is no " + p.String())
	}
}
