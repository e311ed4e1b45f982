package sfbackuptest

import (
	"math"
	"strconv"
	"time"
)

// Profile says whose word a cluster keeps where the documents of the API and
// the clusters that implement it differ.
type Profile int

const (
	// ProfileRuntime answers as a cluster of version 6.4 does, in every
	// detail that its published source shows.
	ProfileRuntime Profile = iota

	// ProfileDocumented answers as the documents of the API say. Where they
	// are silent it answers as a 6.4 cluster does.
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

// behavior is the list of all differences between the profiles. Code asks for
// a difference by its name and never for a profile, so that this type is the
// one place to look for them and a further profile is one more value of it.
type behavior struct {
	// tildeIsSlash: a service id may separate the parts of a name by '~'.
	// The documents say so since 6.0. The backup service of 6.4 puts the id
	// behind "fabric:/" as it comes and finds no such service.
	tildeIsSlash bool

	// managedIdentity: the storage kind ManagedIdentityAzureBlobStore exists.
	// It came after 6.4, where it is an unknown kind.
	managedIdentity bool

	// laterVersions: any api-version from 6.4 on is accepted. The backup
	// service of 6.4 has no upper bound; the documents allow nothing above
	// the version of the runtime.
	laterVersions bool

	// chunkedBodies: a request body may come without a Content-Length. The
	// gateway of 6.4 garbles such a body on its way to the backup service.
	chunkedBodies bool

	// int32Parameters: timeout and MaxResults are read as int32 and not
	// checked against a range, though a timeout that is not positive, or too
	// many seconds for an int32 of milliseconds, ends in an internal error.
	// The documents have int64 with a range for both.
	int32Parameters bool

	// fabricErrorsOnly: every error is a FabricError as application/json. In
	// 6.4 the backup service calls its errors text/plain, errors of its
	// framework are of another shape, and those of the gateway's forwarding
	// have no body at all.
	fabricErrorsOnly bool

	// numericCodes: an error whose HRESULT has no name is sent as a number.
	numericCodes bool

	// fullRecords: objects are written with all their members, null or zero
	// when they are not set, in the order of the 6.4 types. The documents
	// show other orders and say that a backup that has not ended has nothing
	// but its state.
	fullRecords bool

	// storageTokens: pages are those of 6.4, whose tokens name a storage and a
	// place in it, with '+' between them and a space or a '!' inside, and whose
	// last token is null. Else tokens are the documents': service, partition
	// and backup, separated by '#', and the last one is empty.
	storageTokens bool

	// emptyPageFails: a page (MaxResults is not 0) without a backup in it is
	// an error, because the 6.4 service adds up lists that may be null.
	emptyPageFails bool

	// longestTimeout is the longest BackupTimeout that a request can be sent
	// to its node with. That of 6.4 is the longest that an int32 of
	// milliseconds holds, nearly 25 days.
	longestTimeout time.Duration

	// epochNames are the names of the two parts of an epoch.
	epochNames [2]string

	// noBackupService: the cluster has none.
	noBackupService bool
}

// Quirk is something that clusters do or not, whatever their profile.
type Quirk int

const (
	// QuirkEmptyPageFails is that a page that MaxResults limits is an error when
	// a storage has nothing for it, a 400 or, behind another storage that had
	// something, a 500. On by default in [ProfileRuntime], which has it from
	// the 6.4 service.
	QuirkEmptyPageFails Quirk = iota

	// QuirkEpochNames62 is that the parts of an epoch are DataLossNumber and
	// ConfigurationNumber, as in the preview of 6.2.
	QuirkEpochNames62

	// QuirkNoBackupService is that the backup service is not installed. The gateway
	// answers with a 404 that has no body and looks like a service that does
	// not exist.
	QuirkNoBackupService
)

// set switches a quirk on or off.
func (c *behavior) set(q Quirk, on bool) {
	switch q {
	case QuirkEmptyPageFails:
		c.emptyPageFails = on
	case QuirkEpochNames62:
		c.epochNames = epochNames
		if on {
			c.epochNames = epochNames62
		}
	case QuirkNoBackupService:
		c.noBackupService = on
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
