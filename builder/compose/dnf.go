package compose

import (
	"context"
	"fmt"
	"strings"

	"github.com/nestos/nosa/workspace/proc"
)

// DNF is the dnf that Resolve and Install drive.
type DNF struct {
	Interpreter string // the Python that can import it
	Version     string // of dnf, as in 4.14.0
}

// FindDNF imports dnf, and rpm beside it, as Resolve and Install will. Its errors are ErrDNF or the
// interpreter's.
func FindDNF(ctx context.Context) (DNF, error) {
	argv, err := python()
	if err != nil {
		return DNF{}, err
	}
	out, err := proc.Output(ctx, proc.Cmd{Args: append(argv, "-I", "-c", "import dnf, rpm; print(dnf.VERSION)")})
	if err != nil {
		return DNF{}, fmt.Errorf("importing dnf with %s: %w", argv[0], err)
	}
	return DNF{Interpreter: argv[0], Version: strings.TrimSpace(string(out))}, nil
}
