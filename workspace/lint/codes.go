package lint

// The codes of the diagnostics.
const (
	CodeUnread      = "CF001" // a file that cannot be read, or is not looked at
	CodeInterpreter = "CF002" // the interpreter line of a script
	CodeLineEnds    = "CF003" // carriage returns in a script
	CodeSyntax      = "CF004" // what bash says of a script
	CodeHereDoc     = "CF005" // where a here-document ends
	CodeExecutable  = "CF006" // a program without the executable bit
	CodeNoProgram   = "CF007" // an executable bit on what is no program
	CodeUnchecked   = "CF008" // scripts that were not checked
	CodeRemoval     = "CF010" // a pattern of remove-from-packages

	CodeModeLine    = "CF020" // a line of statoverride that cannot be used
	CodeModeOctal   = "CF021" // a mode that was meant octal
	CodeModeUnusual = "CF022" // a mode that will surprise
	CodeModeTwice   = "CF023" // two lines for one path

	CodeLayerName = "CF030" // names and order of overlays
	CodeConflict  = "CF031" // a path that two overlays have
	CodeLost      = "CF032" // a file in a place that is not part of the system
	CodeLeftover  = "CF033" // what an editor or git left behind
	CodeLink      = "CF034" // a link that leads nowhere
	CodeIgnored   = "CF035" // a file whose reader skips it
	CodeUnit      = "CF036" // a line of a systemd unit
	CodeSysusers  = "CF037" // a line of sysusers.d
	CodeTmpfiles  = "CF038" // a line of tmpfiles.d
	CodeSpecial   = "CF039" // neither file, directory nor link

	CodeRepoLine     = "CF040" // a line for which dnf skips the file or the repository
	CodeRepoKey      = "CF041" // an option that dnf does not know
	CodeRepoValue    = "CF042" // a value that the option cannot have
	CodeRepoID       = "CF043" // a repository that no file defines
	CodeRepoTwice    = "CF044" // a repository or option that stands twice
	CodeRepoSource   = "CF045" // no address, or one that cannot be right
	CodeRepoTrust    = "CF046" // packages that nothing verifies
	CodeRepoVariable = "CF047" // a variable that nothing sets

	CodeKarg         = "CF050" // a kernel argument that looks misspelt
	CodeKargTwice    = "CF051" // kernel arguments that contradict each other
	CodeKargOwn      = "CF052" // a kernel argument that is set by the build
	CodeKargConsole  = "CF053" // a console that no machine has
	CodeKargSplit    = "CF054" // several kernel arguments in one item
	CodeSecret       = "CF060" // a secret
	CodePasswordHash = "CF061" // a password's hash

	CodeUnreached   = "CF070" // a treefile that nothing includes
	CodeUnusedLayer = "CF071" // an overlay that nothing names
	CodeUnusedRepo  = "CF072" // a .repo file of which nothing is used
)
