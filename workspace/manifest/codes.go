package manifest

import "github.com/nestos/nosa/workspace/doc"

// The codes of the diagnostics. Those that package doc gives are named there.
const (
	codeUnknown       = "TF001"         // unknown key
	codeType          = doc.CodeType    // wrong type or shape
	codeLegacyTwice   = "TF004"         // legacy and new spelling together
	codeChoice        = "TF005"         // value not in the list
	codeArchPackages  = "TF006"         // packages-ARCH
	codeRequest       = "TF007"         // package text: quotes, splitting
	codeReserved      = "TF008"         // reserved name
	codeSubstitution  = "TF009"         // substitution
	codeCondition     = "TF010"         // condition: syntax
	codeCondVariable  = "TF011"         // condition: unknown variable
	codeCondTypes     = "TF012"         // condition: types differ
	codeCondOperator  = "TF013"         // condition: operator not for this type
	codeUnreadable    = doc.CodeMissing // include not readable
	codeTwice         = "TF015"         // file included twice
	codeDepth         = "TF016"         // includes nested too deep
	codeMissingFile   = "TF017"         // referenced file missing
	codeDestination   = "TF018"         // add-files destination
	codeRemovePath    = "TF019"         // remove-files path
	codePattern       = "TF020"         // regular expression
	codeContradiction = "TF021"         // keys contradict each other or the build
	codeDeprecated    = "TF022"         // deprecated spelling or value
	codeRemoved       = "TF023"         // removed key
	codeClient        = "TF024"         // client-side key
	codeLost          = "TF025"         // value ignored or lost
	codeExcluded      = "TF026"         // requested and excluded
	codeCoerced       = "TF029"         // scalar coerced to text
	codeScript        = "TF030"         // script header
	codeSuffix        = "TF031"         // version prefix or suffix
	codeExecutable    = "TF032"         // script is not executable
	codeMergeKey      = "TF033"         // YAML merge key
	codeEmpty         = doc.CodeEmpty   // empty or not a mapping
	codeUnsupported   = "TF036"         // our engine does not build it
	codeLockfile      = "TF037"         // lockfile
	codeTooNew        = "TF041"         // the installed rpm-ostree does not know the key yet
)
