package builder

import (
	"errors"

	"github.com/nestos/nosa/builder/compose"
	"github.com/nestos/nosa/builder/tree"
)

// HintError is an error with the next step to take, for the person.
type HintError struct {
	Err  error
	Hint string // several are a line each
}

// Error is the cause's text; who prints it adds the hint.
func (e *HintError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *HintError) Unwrap() error { return e.Err }

func hint(err error, text string) error { return &HintError{err, text} }

// IsConfigError says if an error is of the configuration, so that only an edit
// of it helps: packages that cannot be had, a variable without a value, a layer
// in another's way.
func IsConfigError(err error) bool {
	var notFound *compose.NotFoundError
	var conflict *compose.ConflictError
	var repo *compose.UnknownRepoError
	var layers tree.Conflicts
	var image *NoImageError
	if own, ok := errors.AsType[*ComposeError](err); ok && own.Config {
		return true
	}
	if repos, ok := errors.AsType[*compose.RepoError](err); ok {
		return repos.Unset()
	}
	return errors.As(err, &image) || errors.As(err, &notFound) || errors.As(err, &conflict) || errors.As(err, &repo) || errors.As(err, &layers)
}
