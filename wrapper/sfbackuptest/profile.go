package sfbackuptest

import "strconv"

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
// profile, so that all differences are documented here and a new profile is one more value. The table in
// the documentation of the package has a row for each part of the doc tags.
type behavior struct {
	// tildeIsSlash: '~' may separate the parts of the name in a service ID. The documentation says so since
	// 6.0. The backup service of 6.4 appends the ID to "fabric:/" unchanged and finds no such service.
	tildeIsSlash bool `doc:"'~' separates the parts of a service name"`

	// newKinds: storages may be of a kind that is newer than 6.4, such as ManagedIdentityAzureBlobStore.
	newKinds bool `doc:"ManagedIdentityAzureBlobStore is a kind of storage"`

	// laterVersions: any api-version from 6.4 on is accepted. The backup service of 6.4 has no upper
	// bound; the documentation allows nothing above the version of the runtime.
	laterVersions bool `doc:"any api-version from 6.4 on is accepted"`

	// chunkedBodies: a request body may have no Content-Length. The gateway of 6.4 corrupts such a
	// body when it forwards it.
	chunkedBodies bool `doc:"a body may have no Content-Length"`

	// int32Parameters: timeout and MaxResults are int32 and have no range, but a timeout that is not
	// positive, or whose milliseconds overflow an int32, causes an internal error. The documentation has
	// int64 with a range for both.
	int32Parameters bool `doc:"timeout and MaxResults are int32, without a range"`

	// emptyTextsFail: a text parameter with an empty value is invalid, such as a ContinuationToken. In the
	// documentation an empty token is that of the last page, and nothing forbids to send it.
	emptyTextsFail bool `doc:"an empty ContinuationToken is an error"`

	// fabricErrorsOnly: every error is a FabricError as application/json. In 6.4 the errors of the
	// backup service are text/plain, those of its framework have another shape, and those of the
	// gateway's forwarding have no body.
	fabricErrorsOnly bool `doc:"every error is a FabricError as application/json"`

	// searchesPrefix: a list of a service also searches the storages of services whose names begin
	// with its name, and that of the application's policy where it does not apply.
	searchesPrefix bool `doc:"a list searches the storages of more services"`

	// accountIsStorage: two containers of one account, and two policies with one share, are one storage.
	accountIsStorage bool `doc:"containers of one account are one storage"`

	// spelledIDs: the ID of a partition is a key and the name of a folder as the request spells it.
	spelledIDs bool `doc:"a partition ID is a key as it is spelt"`

	// previewVersion: the api-version 6.2-preview is accepted.
	previewVersion bool

	// numericCodes: an error whose HRESULT has no name has a numeric code.
	numericCodes bool `doc:"errors without a name have a number for a code"`

	// fullRecords: objects have all their members, null or zero if they are not set, in the order of
	// the 6.4 types. The documentation shows other orders and says that a backup that has not ended has only
	// its state.
	fullRecords bool `doc:"unset members are null or zero;the LSN of a progress is a number;the progress before the first backup is null"`

	// storageTokens: paging is that of 6.4. Tokens have a storage and a position in it, separated by
	// '+', and contain a space or a '!'. The last token is null. Otherwise tokens are those of the
	// documentation: service, partition and backup, separated by '#'. The last is empty.
	storageTokens bool `doc:"tokens name a storage and a position in it;the token of the last page is null"`

	// emptyPageFails: a page (MaxResults is not 0) without backups is an error, because the 6.4
	// service adds a list that may be null.
	emptyPageFails bool `doc:"a page without backups is an error"`

	// timeoutsOverflow: a request whose BackupTimeout in milliseconds does not fit an int32, nearly 25
	// days, or lies before the year 1, is Accepted for good.
	timeoutsOverflow bool `doc:"very long BackupTimeouts never end"`

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
	// the preview of 6.2, and accepts its api-version, 6.2-preview, besides the others.
	QuirkEpochNames62

	// QuirkNoBackupService removes the backup service from the cluster. The gateway responds with a 404,
	// without a body in [ProfileRuntime], as for a service that does not exist.
	QuirkNoBackupService

	// QuirkManagedIdentity makes a cluster accept storages of kinds that came after 6.4, such as
	// ManagedIdentityAzureBlobStore. It is on by default in [ProfileDocumented].
	QuirkManagedIdentity
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
		b.previewVersion = on
	case QuirkNoBackupService:
		b.noBackupService = on
	case QuirkManagedIdentity:
		b.newKinds = on
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
			laterVersions:    true,
			int32Parameters:  true,
			emptyTextsFail:   true,
			searchesPrefix:   true,
			accountIsStorage: true,
			spelledIDs:       true,
			numericCodes:     true,
			fullRecords:      true,
			storageTokens:    true,
			emptyPageFails:   true,
			timeoutsOverflow: true,
			epochNames:       epochNames,
		}
	case ProfileDocumented:
		return &behavior{
			tildeIsSlash:     true,
			newKinds:         true,
			chunkedBodies:    true,
			fabricErrorsOnly: true,
			epochNames:       epochNames,
		}
	default:
		panic("sfbackuptest: there is no " + p.String())
	}
}
