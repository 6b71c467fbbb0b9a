package builder

// The diagnostics of ReviewPackages: what the metadata that was fetched says of the packages.
const (
	CodeNoPackage    = "PK001" // a requested package is in no repository
	CodeHidden       = "PK002" // a requested package is there, but an exclude or a lock hides it
	CodeElsewhere    = "PK003" // a requested package is only in a repository that is not used for it
	CodeOtherVersion = "PK004" // a requested package is there in other versions only
	CodeExcluded     = "PK005" // an excluded package is needed by a requested one
	CodeLocked       = "PK006" // a requested package needs one that the lock hides
	CodeConflict     = "PK007" // requested packages cannot be installed, or not together
	CodeNoExclude    = "PK008" // an excluded name is in no repository
	CodeRepoVariable = "PK009" // the URL of a repository needs a variable that has no value
	CodeNotReviewed  = "PK010" // packages could not be looked up: nothing was fetched, or what was is not of these repositories
)
